// The way back through the layers: weight gradients, with the optimizer's step in the same pass, and clipping by global
// norm.
#pragma once
#include "mlp/layers.h"
#include "mlp/optimizer.h"

namespace jaxbm {
namespace {

// A tile's gradients, whose optimizer's step is still to be made. It is made between the multiplications of the next
// tile, which fill the time that square roots and quotients take.
template <int Kind>
class Pending {
 public:
  // Steps of parameters that lie side by side. Adam's are made in three parts: the weights of one vector, the quotient
  // of the next and the root of the one after it, so that none of them waits.
  class Steps {
   public:
    Steps(float* param, const float* gradient, long vectors, long block, const Step& numbers)
        : param_(param), gradient_(gradient), left_(vectors), block_(block), numbers_(numbers) {}

    bool more() const { return left_ > 2; }
    long left() const { return more() ? left_ - 2 : 0; }

    INLINE_MEMBER void begin() {
      if (left_ > 0) first(0), second();
      if (left_ > 1) first(1);
    }

    INLINE_MEMBER void step() {
      third();
      second();
      first(1);
    }

    INLINE_MEMBER void end() {
      while (more()) step();
      if (left_ > 1) third(), second();
      if (left_ > 0) third();
    }

   private:
    static constexpr bool kInParts = Kind == kUpdateAdam || Kind == kUpdateAnyAdam;

    // Moments and root of the vector `ahead` of the one whose weights are next.
    INLINE_MEMBER void first(long ahead) {
      if constexpr (!kInParts) return;
      float* p = param_ + ahead * VL;
      now_ = adam_moments<Kind>(load(gradient_ + ahead * VL), load(p + block_), load(p + 2 * block_), numbers_);
      root_ = adam_root<Kind>(now_, numbers_);
      store(p + block_, now_.first);
      store(p + 2 * block_, now_.second);
    }

    INLINE_MEMBER void second() {
      if constexpr (!kInParts) return;
      quotient_ = adam_quotient<Kind>(load(gradient_), now_.first, root_, numbers_);
    }

    INLINE_MEMBER void third() {
      if constexpr (kInParts) store(param_, adam_weight(load(param_), quotient_, numbers_));
      else update<Kind>(param_, block_, load(gradient_), numbers_);
      param_ += VL;
      gradient_ += VL;
      left_--;
    }

    float* param_;
    const float* gradient_;
    long left_, block_;
    Step numbers_;
    Moments now_;
    Vec root_, quotient_;
  };

  Pending(const Net& net, const Step& s) : block_(net.block), step_(s) {}

  // Where the gradient of a tile's vector `i` goes.
  float* gradient(long i) { return gradients_ + i * VL; }

  // They are those of the `vectors` vectors of parameters from `param` on.
  void belong_to(float* param, long vectors) {
    param_ = param;
    vectors_ = vectors;
  }

  INLINE_MEMBER Steps take() {
    Steps steps(param_, gradients_, vectors_, block_, step_);
    vectors_ = 0;
    steps.begin();
    return steps;
  }

  INLINE_MEMBER void finish() { take().end(); }

 private:
  const long block_;
  const Step step_;
  float* param_ = nullptr;
  long vectors_ = 0;
  alignas(64) float gradients_[(kTiles ? kPair : TILE_ROWS) * kPanel];
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
    // Narrow weights lie transposed already.
    if (l.transposed) __builtin_memcpy(l.transposed + c * l.out, l.weight + c * l.out, l.out * width * sizeof(float));
    in_blocks<kNarrow>(0, l.out, [&](long o, auto rows) __attribute__((always_inline)) {
      constexpr int M = decltype(rows)::value;
      float* weight = l.weight + c * l.out + o * width;
      tile<M, NV>(
          batch, l.gradient + o, 1, l.gradient_stride, l.input + c, l.input_stride,
          [](int, int) __attribute__((always_inline)) { return Vec{}; },
          [&](int i, int n, Vec g) __attribute__((always_inline)) {
            store(pending.gradient(i * NV + n), penalised(g, weight + i * width + n * VL, l2));
          },
          pending);
      pending.belong_to(weight, M * NV);
    });
  });
}

// Rows of the batch whose gradients are summed in one go: a panel of them and the inputs beside it stay in the L1 cache.
constexpr long kDepth = 128;

// A wide layer's weights on tiles, kRowsOnTiles rows of the batch at a time.
template <int Kind>
INLINE void wide_weights_on_tiles(Net& net, Layer& l, long batch, float l2, Share share, Pending<Kind>& pending) {
  const long units = l.in_padded / VL, first = share.first(units) * VL, last = share.last(units) * VL;
  const long pairs = tile_pairs(last - first);
  if (first == last) return;
  for (long b = 0; b < batch; b += kRowsOnTiles) {
    const long depth = batch - b < kRowsOnTiles ? batch - b : kRowsOnTiles;
    const float *input = l.input + b * l.input_stride + first, *gradient = l.gradient + b * l.gradient_stride;
    float* sums = net.weight_sums;
    auto splitting = [&](long c) __attribute__((always_inline)) {
      if (c >= l.out_padded) return SplitPanel();
      return SplitPanel(gradient + c, l.gradient_stride, depth, panel_width(c, l.out_padded), net.factors.panel(c));
    };
    split_transposed(input, l.input_stride, last - first, depth, net.factors.left);
    splitting(0).end();
    in_panels(l.out_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
      constexpr int NV = decltype(vectors)::value;
      const bool ends = b + depth == batch;
      if (b == 0 && l.transposed) copy_transposed(l, c, width, first, last);
      for (long p = 0; p < pairs; p++, sums += kPair * kPanel) {
        const long i0 = first + p * kPair, rows = last - i0 < kPair ? last - i0 : kPair;
        multiply_tiles<NV>(depth, net.factors.left + 2 * p * block_words(depth), net.factors.panel(c),
                           b ? sums : nullptr, ends ? pending.gradient(0) : sums,
                           both(pending.take(), splitting(c + width).share(p, pairs)));
        if (!ends) continue;
        float* weight = l.weight + c * l.in_padded + i0 * width;
        for (long i = 0; l2 != 0 && i < rows * NV; i++)
          store(pending.gradient(i), penalised(load(pending.gradient(i)), weight + i * VL, l2));
        pending.belong_to(weight, rows * NV);
      }
    });
  }
}

template <int Kind>
INLINE void wide_weights(Net& net, Layer& l, long batch, float l2, Share share, Pending<Kind>& pending) {
  if constexpr (kTiles) {
    if (l.tiles) return wide_weights_on_tiles(net, l, batch, l2, share, pending);
  }
  // Shares are whole blocks of VL rows, which is what a transposition takes.
  long units = (l.in + VL - 1) / VL, first = share.first(units) * VL, last = share.last(units) * VL;
  if (last > l.in) last = l.in;
  in_panels(l.out_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    if (l.transposed) copy_transposed(l, c, width, first, last);
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
              if (ends) store(pending.gradient(i * NV + n), penalised(g, weight + i * width + n * VL, l2));
              else store(sums + i * width + n * VL, g);
            },
            pending);
        if (ends) pending.belong_to(weight, M * NV);
      });
    }
  });
}

// Sums over the batch of NV vectors of gradients side by side.
template <int NV, int Kind>
INLINE void bias_vectors(Layer& l, long batch, long vector, long block, const Step& s) {
  Vec g[NV] = {};
  Vec odd[NV] = {};
  const float* d = l.gradient + vector * VL;
  long b = 0;
  for (; b + 2 <= batch; b += 2, d += 2 * l.gradient_stride)
    UNROLL for (int n = 0; n < NV; n++) {
      g[n] = g[n] + load(d + n * VL);
      odd[n] = odd[n] + load(d + l.gradient_stride + n * VL);
    }
  if (b < batch)
    UNROLL for (int n = 0; n < NV; n++) g[n] = g[n] + load(d + n * VL);
  UNROLL for (int n = 0; n < NV; n++) update<Kind>(l.bias + (vector + n) * VL, block, g[n] + odd[n], s);
}

template <int Kind>
INLINE void wide_biases(Layer& l, long batch, Share share, long block, const Step& s) {
  const long vectors = l.out_padded / VL, last = share.last(vectors);
  long q = share.first(vectors);
  for (; q + 4 <= last; q += 4) bias_vectors<4, Kind>(l, batch, q, block, s);
  for (; q < last; q++) bias_vectors<1, Kind>(l, batch, q, block, s);
}

template <int Kind>
INLINE void narrow_biases(Layer& l, long batch, Share share, long block, const Step& s) {
  if (!share.is_last()) return;
  Vec g = {};
  for (long o = 0; o < l.out; o++) {
    float sum[4] = {};
    for (long b = 0; b < batch; b++) sum[b & 3] += l.gradient[b * l.out + o];
    g[o] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
  update<Kind>(l.bias, block, g, s);
}

// From the last layer to the first. A layer's inputs are needed for its weights' gradient before theirs replaces them,
// and its old weights for that: hence the transposed copy, made before the weights change.
template <int Kind>
void backward_and_update(const Spec& spec, Net& net, const Step& s, const Batch& b) {
  Pending<Kind> pending(net, s);
  for (int i = net.layers - 1; i >= 0; i--) {
    Layer& l = net.layer[i];
    if (l.narrow) {
      if (spec.bias) narrow_biases<Kind>(l, b.rows, b.share, net.block, s);
      narrow_weights(l, b.rows, s.l2, b.share, pending);
    } else {
      if (spec.bias) wide_biases<Kind>(l, b.rows, b.share, net.block, s);
      wide_weights(net, l, b.rows, s.l2, b.share, pending);
    }
    if (i > 0) backward(net, l, b);
  }
  pending.finish();
}

// The rows of a batch from `first` on as a batch of their own, with gradients of their own.
INLINE Net rows_from(const Net& net, long first) {
  Net rows = net;
  for (int i = 0; i < rows.layers; i++) {
    Layer& l = rows.layer[i];
    l.input += first * l.input_stride;
    l.gradient += first * l.gradient_stride;
    if (l.slope) l.slope += first * l.input_stride;
  }
  return rows;
}

// This thread's part of all gradients, or those of its halves of the batch.
INLINE void backward_and_keep(const Spec& spec, Net& net, Step s, const Batch& b) {
  s.to_grads = net.grads - net.params;
  if (!net.halved) return backward_and_update<kUpdateKeep>(spec, net, s, b);
  Team alone{1, 0, 0};
  for (int half = (int)b.share.first(2); half < b.share.last(2); half++) {
    const long first = row_share({half, 2}, b.rows, false), rows = row_share({half, 2}, b.rows, true) - first;
    Net part = rows_from(net, first);
    Step kept = s;
    kept.to_grads += half * net.block;
    if (half == 0) kept.l2 = 0;  // the penalty counts once
    if (rows == 0) __builtin_memset(net.params + kept.to_grads, 0, net.block * sizeof(float));
    else backward_and_update<kUpdateKeep>(spec, part, kept, {rows, 0, rows, &alone, {0, 1}});
  }
}

INLINE Vec kept_gradient(const Net& net, long at) {
  const Vec g = load(net.grads + at);
  return net.halved ? g + load(net.grads + net.block + at) : g;
}

// The factor that brings the global norm of the kept gradients down to `most`. Squares are summed block by block,
// so the sum is the same for any number of threads.
INLINE float clip_factor(Net& net, float most, Team* team, Share share) {
  long blocks = net.block / kPartialBlock;
  for (long b = share.first(blocks); b < share.last(blocks); b++) {
    Vec sum[4] = {};
    for (long i = 0; i < kPartialBlock; i += 4 * VL)
      UNROLL for (int k = 0; k < 4; k++) {
        Vec g = kept_gradient(net, b * kPartialBlock + i + k * VL);
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

// Vectors between the one whose step is made and the one asked for. What another thread has read or written lies in
// another core's cache, and stores wait for each other: without asking, every line would be waited for by itself.
constexpr long kAhead = 32;

// All gradients first, then the steps.
template <int Kind>
void update_after_all(const Spec& spec, Net& net, const Step& s, float most, const Batch& b) {
  const Share share = b.share;
  backward_and_keep(spec, net, s, b);
  barrier(b.team);
  const float scale = spec.clip ? clip_factor(net, most, b.team, share) : 1;
  const long vectors = net.block / VL;
  for (long q = share.first(vectors); q < share.last(vectors); q++) {
    if (net.halved) {
      const long ahead = (q + kAhead) * VL;
      __builtin_prefetch(net.params + ahead, 1);
      __builtin_prefetch(net.grads + ahead);
      __builtin_prefetch(net.grads + net.block + ahead);
    }
    update<Kind>(net.params + q * VL, net.block, kept_gradient(net, q * VL) * scale, s);
  }
}

}  // namespace
}  // namespace jaxbm
