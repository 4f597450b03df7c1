// What becomes of a hidden layer's sums: activated, dropped, cut off.
#pragma once
#include "functions.h"
#include "rows.h"

// What drops units of the hidden layers in a step.
struct Drops {
  Stream step;
  u32 below;
  float scale;
};

// WIDTH hidden units from `column` on, of row `r` of the batch: activated, dropped and cut off beyond the true width.
template <int L, int WIDTH>
DEVICE void write_hidden(const float* z, float* row, int r, int column, int units, const Drops& drops) {
  Valued out[WIDTH];
#pragma unroll
  for (int j = 0; j < WIDTH; j++) out[j] = activated<kActivations[L]>(z[j]);
  if constexpr (kDropout) {
    const Stream s = derive(drops.step, L);
    const u32 by_row = mix(r ^ s.a);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      const float factor = bits(s, by_row, column + j) >= drops.below ? drops.scale : 0.f;
      out[j].value = factor == 0.f ? 0.f : out[j].value * factor, out[j].slope *= factor;
    }
  }
  if constexpr (kWidths) {
#pragma unroll
    for (int j = 0; j < WIDTH; j++)
      if (column + j >= units) out[j] = {0.f, 0.f};
  }
  float *h = row + a_column(L + 1) + column, *d = row + d_column(L) + column;
  if constexpr (WIDTH == 4) {
    store4(h, {out[0].value, out[1].value, out[2].value, out[3].value});
    if constexpr (kKeepsSlope<L>) store4(d, {out[0].slope, out[1].slope, out[2].slope, out[3].slope});
  } else {
    h[0] = out[0].value;
    if constexpr (kKeepsSlope<L>) d[0] = out[0].slope;
  }
}
