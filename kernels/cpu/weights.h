// Weight gradients, with the optimizer's step in the same pass, and clipping by global norm.
#pragma once
#include "net.h"
#include "optimizer.h"
#include "team.h"

namespace jaxbm {
namespace {

// Gradients whose optimizer's step is still to be made. It is made between the multiplications of the next tile, which
// fill the time that square roots and quotients take.
template <int Kind>
class Pending {
 public:
  Pending(const Net& net, const Step& s) : block_(net.block), step_(s) {}

  // Room for a tile: whatever waits when a tile begins is done when it ends.
  INLINE_MEMBER void put(float* to, Vec gradient) {
    to_[count_] = to;
    store(gradients_ + count_ * VL, gradient);
    count_++;
  }

  long times() const { return count_; }

  INLINE_MEMBER void operator()() {
    update<Kind>(to_[done_], block_, load(gradients_ + done_ * VL), step_);
    if (++done_ == count_) done_ = count_ = 0;
  }

  __attribute__((noinline)) void finish() {
    while (count_) (*this)();
  }

  void reserve(long vectors) {
    if (count_ + vectors > kMost) finish();
  }

 private:
  static constexpr long kMost = 2 * TILE_ROWS * kTileVectors;
  const long block_;
  const Step step_;
  long count_ = 0, done_ = 0;
  float* to_[kMost];
  alignas(64) float gradients_[kMost * VL];
};

// A weight's gradient with that of the L2 penalty.
INLINE Vec penalised(Vec gradient, const float* weight, float l2) {
  return l2 == 0 ? gradient : fma(load(weight), all(l2), gradient);
}

template <int Kind>
INLINE void narrow_weights(Layer& l, long batch, float l2, Share share, Pending<Kind>& pending) {
  long panels = (l.in_padded + kPanel - 1) / kPanel;
  long from = share.first(panels) * kPanel, to = share.last(panels) * kPanel;
  in_panels(to < l.in_padded ? to : l.in_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    if (c < from) return;
    in_blocks<kNarrow>(0, l.out, [&](long o, auto rows) __attribute__((always_inline)) {
      constexpr int M = decltype(rows)::value;
      float* weight = l.weight + c * l.out + o * width;
      tile<M, NV>(
          batch, l.gradient + o, 1, l.gradient_stride, l.input + c, l.input_stride,
          [](int, int) __attribute__((always_inline)) { return Vec{}; },
          [&](int i, int n, Vec g) __attribute__((always_inline)) {
            float* p = weight + i * width + n * VL;
            pending.put(p, penalised(g, p, l2));
          },
          pending);
    });
  });
}

// Rows of the batch whose gradients are summed in one go: a panel of them and the inputs beside it stay in the L1 cache.
constexpr long kDepth = 128;

template <int Kind>
INLINE void wide_weights(Net& net, Layer& l, long batch, float l2, Share share, Pending<Kind>& pending) {
  // Shares are whole blocks of VL rows, which is what a transposition takes.
  long units = (l.in + VL - 1) / VL, first = share.first(units) * VL, last = share.last(units) * VL;
  if (last > l.in) last = l.in;
  in_panels(l.out_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    for (long k = 0; k < batch; k += kDepth) {
      const long depth = batch - k < kDepth ? batch - k : kDepth;
      const bool begins = k == 0, ends = k + depth == batch;
      in_steps<TILE_ROWS>(first, last, [&](long i0, auto rows) __attribute__((always_inline)) {
        constexpr int M = decltype(rows)::value;
        float *weight = l.weight + c * l.in_padded + i0 * width, *sums = net.weight_sums + i0 * width;
        tile<M, NV>(
            depth, l.input + k * l.input_stride + i0, 1, l.input_stride, l.gradient + k * l.gradient_stride + c,
            l.gradient_stride,
            [&](int i, int n) __attribute__((always_inline)) {
              return begins ? Vec{} : load(sums + i * width + n * VL);
            },
            [&](int i, int n, Vec g) __attribute__((always_inline)) {
              float* p = weight + i * width + n * VL;
              if (ends) pending.put(p, penalised(g, p, l2));
              else store(sums + i * width + n * VL, g);
            },
            pending);
      });
    }
    if (Kind == kUpdateKeep || !l.transposed) return;
    pending.finish();
    refresh_transposed(l, c, width, first, last);
  });
}

// Sums over the batch of NV vectors of gradients side by side.
template <int NV, int Kind>
INLINE void bias_vectors(Layer& l, long batch, long vector, Pending<Kind>& pending) {
  Vec g[NV] = {};
  const float* d = l.gradient + vector * VL;
  for (long b = 0; b < batch; b++, d += l.gradient_stride)
    UNROLL for (int n = 0; n < NV; n++) g[n] = g[n] + load(d + n * VL);
  pending.reserve(NV);
  for (int n = 0; n < NV; n++) pending.put(l.bias + (vector + n) * VL, g[n]);
}

template <int Kind>
INLINE void wide_biases(Layer& l, long batch, Share share, Pending<Kind>& pending) {
  const long vectors = l.out_padded / VL, last = share.last(vectors);
  long q = share.first(vectors);
  for (; q + 4 <= last; q += 4) bias_vectors<4>(l, batch, q, pending);
  for (; q < last; q++) bias_vectors<1>(l, batch, q, pending);
}

template <int Kind>
INLINE void narrow_biases(Layer& l, long batch, Share share, Pending<Kind>& pending) {
  if (!share.is_last()) return;
  Vec g = {};
  for (long o = 0; o < l.out; o++) {
    float sum[4] = {};
    for (long b = 0; b < batch; b++) sum[b & 3] += l.gradient[b * l.out + o];
    g[o] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
  pending.reserve(1);
  pending.put(l.bias, g);
}

template <int Kind>
void update_weights(const Spec& spec, Net& net, long batch, const Step& s, Share share) {
  Pending<Kind> pending(net, s);
  for (int i = net.layers - 1; i >= 0; i--) {
    Layer& l = net.layer[i];
    if (l.narrow) {
      if (spec.bias) narrow_biases(l, batch, share, pending);
      narrow_weights(l, batch, s.l2, share, pending);
    } else {
      if (spec.bias) wide_biases(l, batch, share, pending);
      wide_weights(net, l, batch, s.l2, share, pending);
    }
  }
  pending.finish();
}

INLINE void refresh_all_transposed(Net& net, Share share) {
  for (int i = 1; i < net.layers; i++) {
    Layer& l = net.layer[i];
    if (l.narrow) continue;
    long units = l.in_padded / VL;
    in_panels(l.out_padded, [&](long c, long width, auto) __attribute__((always_inline)) {
      refresh_transposed(l, c, width, share.first(units) * VL, share.last(units) * VL);
    });
  }
}

// The factor that brings the global norm of the kept gradients down to `most`. Squares are summed block by block,
// so the sum is the same for any number of threads.
INLINE float clip_factor(Net& net, float most, Team* team, Share share) {
  long blocks = net.block / kPartialBlock;
  for (long b = share.first(blocks); b < share.last(blocks); b++) {
    Vec sum[4] = {};
    for (long i = 0; i < kPartialBlock; i += 4 * VL)
      UNROLL for (int k = 0; k < 4; k++) {
        Vec g = load(net.grads + b * kPartialBlock + i + k * VL);
        sum[k] = fma(g, g, sum[k]);
      }
    net.partial[b] = total((sum[0] + sum[1]) + (sum[2] + sum[3]));
  }
  barrier(team);
  double squares = 0;
  for (long b = 0; b < blocks; b++) squares += net.partial[b];
  float norm = (float)__builtin_sqrt(squares);
  return norm > most ? most / norm : norm == norm ? 1.f : norm;
}

template <int Kind>
void update_clipped(const Spec& spec, Net& net, long batch, Step& s, float most, Team* team, Share share) {
  s.to_grads = net.grads - net.params;
  update_weights<kUpdateKeep>(spec, net, batch, s, share);
  barrier(team);
  s.scale = clip_factor(net, most, team, share);
  long vectors = net.block / VL;
  for (long q = share.first(vectors); q < share.last(vectors); q++)
    update<Kind>(net.params + q * VL, net.block, load(net.grads + q * VL) * s.scale, s);
  barrier(team);
  refresh_all_transposed(net, share);
}

}  // namespace
}  // namespace jaxbm
