// Weight gradients, with the optimizer's step in the same pass, and clipping by global norm.
#pragma once
#include "net.h"
#include "optimizer.h"
#include "team.h"

namespace jaxbm {
namespace {

template <int Kind>
INLINE void narrow_weights(Net& net, Layer& l, long batch, const Step& s, Share share) {
  long panels = (l.in_padded + kPanel - 1) / kPanel;
  long from = share.first(panels) * kPanel, to = share.last(panels) * kPanel;
  in_panels(to < l.in_padded ? to : l.in_padded, [&](long c, long, auto) __attribute__((always_inline)) {
    if (c < from) return;
    long width = panel_width(c, l.in_padded);
    for (long v = 0; v < width; v += VL) {
      in_blocks<kNarrow>(0, l.out, [&](long o, auto rows) __attribute__((always_inline)) {
        constexpr int M = decltype(rows)::value;
        float* weight = l.weight + c * l.out + o * width + v;
        tile<M, 1>(
            batch, l.gradient + o, 1, l.gradient_stride, l.input + c + v, l.input_stride,
            [](int) __attribute__((always_inline)) { return Vec{}; },
            [&](int i, int, Vec g) __attribute__((always_inline)) {
              float* p = weight + i * width;
              update<Kind>(p, net.block, fma(load(p), all(s.l2), g), s);
            });
      });
    }
  });
}

template <int Kind>
INLINE void wide_weights(Net& net, Layer& l, long batch, const Step& s, Share share) {
  // Shares are whole blocks of VL rows, which is what a transposition takes.
  long units = (l.in + VL - 1) / VL, first = share.first(units) * VL, last = share.last(units) * VL;
  if (last > l.in) last = l.in;
  in_panels(l.out_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    in_blocks<TILE_ROWS>(first, last, [&](long i0, auto rows) __attribute__((always_inline)) {
      constexpr int M = decltype(rows)::value;
      float* weight = l.weight + c * l.in_padded + i0 * width;
      tile<M, NV>(
          batch, l.input + i0, 1, l.input_stride, l.gradient + c, l.gradient_stride,
          [](int) __attribute__((always_inline)) { return Vec{}; },
          [&](int i, int n, Vec g) __attribute__((always_inline)) {
            float* p = weight + i * width + n * VL;
            update<Kind>(p, net.block, fma(load(p), all(s.l2), g), s);
          });
    });
    if (Kind != kUpdateKeep && l.transposed) refresh_transposed(l, c, width, first, last);
  });
}

template <int Kind>
INLINE void wide_biases(Net& net, Layer& l, long batch, const Step& s, Share share) {
  long vectors = l.out_padded / VL;
  for (long q = share.first(vectors); q < share.last(vectors); q++) {
    Vec g[4] = {};
    const float* d = l.gradient + q * VL;
    for (long b = 0; b < batch; b++) g[b & 3] = g[b & 3] + load(d + b * l.gradient_stride);
    update<Kind>(l.bias + q * VL, net.block, (g[0] + g[1]) + (g[2] + g[3]), s);
  }
}

template <int Kind>
INLINE void narrow_biases(Net& net, Layer& l, long batch, const Step& s, Share share) {
  if (!share.is_last()) return;
  Vec g = {};
  for (long o = 0; o < l.out; o++) {
    float sum = 0;
    for (long b = 0; b < batch; b++) sum += l.gradient[b * l.out + o];
    g[o] = sum;
  }
  update<Kind>(l.bias, net.block, g, s);
}

template <int Kind>
void update_weights(const Spec& spec, Net& net, long batch, const Step& s, Share share) {
  for (int i = net.layers - 1; i >= 0; i--) {
    Layer& l = net.layer[i];
    if (l.narrow) {
      narrow_weights<Kind>(net, l, batch, s, share);
      if (spec.bias) narrow_biases<Kind>(net, l, batch, s, share);
    } else {
      wide_weights<Kind>(net, l, batch, s, share);
      if (spec.bias) wide_biases<Kind>(net, l, batch, s, share);
    }
  }
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
