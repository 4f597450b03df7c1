// Weight gradients on tensor cores: each warp, its own strips of the weights.
#pragma once
#include "tensor.h"
#include "update.h"

// kTile tiles of 16 outputs x 8 inputs, side by side; fewer at a layer's edge. An element's first number is its tile, its
// second a sum's place there: output g (from the third on g + 8), input 2 t or 2 t + 1.
struct Tile {
  int a, d, w, stride;  // offsets of its inputs, gradients and weights, all multiples of eight
  int lower;            // outputs from the upper half to the lower one; 0: there is none
  int count;            // tiles
  int layer;            // -1: there is none
  DEVICE int input(int i, int j) const { return 8 * i + threadIdx.x % 4 * 2 + j % 2; }
  DEVICE int output(int j) const { return threadIdx.x % 32 / 4 + j / 2 * lower; }
  // Where the weight of an element lies.
  DEVICE int place(int i, int j) const { return w + output(j) * stride + input(i, j); }
  // From one half of the double buffer to the other.
  DEVICE int flip() const { return layer == 0 ? in_width(0) : 0; }
};

DEVICE Tile tile_of(int s) {
  Tile tile{0, 0, 0, 0, 0, 0, -1};
  for_each<0, kLayers>([&](auto l) {
    constexpr int L = decltype(l)::value, across = strips_across(L), all = tiles_of(L), wide = in_width(L) / 8;
    if (s >= 0 && s < all) {
      const int output = s / across * 16, first = s % across * kTile;
      tile = {a_column(L) + first * 8, d_column(L) + output, w_place(L, first * 8, output), w_stride(L),
              output + 8 < out_width(L) ? 8 : 0, wide - first < kTile ? wide - first : kTile, L};
    }
    s -= all;
  });
  return tile;
}

// A strip in two registers, for as long as a step is forward and backward: nobody has to look it up again, and nothing is
// spilled for it. Places are fourteen bits, in units of eight floats or, of the inputs, of four.
static_assert(kSharedFloats <= 1 << 16 && kLayers <= 16 && kTile < 8);
struct PackedTile {
  u32 places, weights;  // inputs, gradients, layer; weights, their stride, whether there is a lower half, tiles
};
DEVICE PackedTile packed(const Tile& tile) {
  return {u32(tile.a / 4) | u32(tile.d / 4) << 14 | (tile.count ? u32(tile.layer) << 28 : 0),
          u32(tile.w / 4) | u32(tile.stride / 4) << 14 | (tile.lower ? 1u << 28 : 0) | u32(tile.count) << 29};
}
DEVICE Tile unpacked(const PackedTile& packed) {
  constexpr u32 mask = (1 << 14) - 1;
  const u32 p = fresh(packed.places), w = fresh(packed.weights);
  return {int(p & mask) * 4, int(p >> 14 & mask) * 4, int(w & mask) * 4, int(w >> 14 & mask) * 4,
          w >> 28 & 1 ? 8 : 0, int(w >> 29), w >> 29 ? int(p >> 28) : -1};
}

// Whether some strip is shorter than the others, or has no lower half: else nobody asks.
constexpr bool some_is_short() {
  for (int l = 0; l < kLayers; l++)
    if (in_width(l) / 8 % kTile) return true;
  return false;
}
constexpr bool some_is_low() {
  for (int l = 0; l < kLayers; l++)
    if (out_width(l) % 16) return true;
  return false;
}

// Calls f(i, j, leaf, index, size) for the strip's elements that exist: a leaf's number among those of its part, the
// element's place in it, and how many it has.
template <class F>
DEVICE void elements(const Tile& tile, F f) {
  for_each<0, kLayers>([&](auto l) {
    constexpr int L = decltype(l)::value, I = kSizes[L], O = kSizes[L + 1];
    if (tile.layer == L) {
#pragma unroll
      for (int i = 0; i < kTile; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
          const int input = tile.a - a_column(L) + tile.input(i, j), output = tile.d - d_column(L) + tile.output(j);
          if (i >= tile.count || (j >= 2 && !tile.lower) || output >= O) continue;
          if (input < I) f(i, j, Const<kOfLayer * L>{}, input * O + output, I * O);
          if (kBias && input == I) f(i, j, Const<kOfLayer * L + kBias>{}, output, O);
        }
    }
  });
}

// The sum over the batch of a strip's inputs times its gradients.
DEVICE void sum_gradient(const float* batch, const Tile& tile, int parity, Gradient& gradient) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const float *d = batch + 2 * t * kStride + tile.d + g, *a = batch + 2 * t * kStride + tile.a + parity * tile.flip() + g;
  int offset[kTile];  // beyond the strip's end the last tile is made again, and not used
#pragma unroll
  for (int i = 0; i < kTile; i++) offset[i] = 8 * (some_is_short() && i >= tile.count ? tile.count - 1 : i);
  Sum sums[kTile];
#pragma unroll((UNROLL_K + 3) / 4)
  for (int r = 0; r < kAllRows; r += 8) {
    const float *upper = d + r * kStride, *under = upper + tile.lower;
    Factors<4> gradients;
    gradients.set(0, load1(upper)), gradients.set(1, load1(under));
    gradients.set(2, load1(upper + kStride)), gradients.set(3, load1(under + kStride));
#pragma unroll
    for (int i = 0; i < kTile; i++) {
      const float* inputs = a + r * kStride + offset[i];
      Factors<2> b;
      b.set(0, load1(inputs)), b.set(1, load1(inputs + kStride));
      sums[i].add(gradients, b);
    }
  }
#pragma unroll
  for (int i = 0; i < kTile; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const bool made_twice = (some_is_short() && i >= tile.count) || (some_is_low() && j >= 2 && !tile.lower);
      gradient.of[i][j] = made_twice ? 0.f : sums[i].total(j);
    }
}

// Divides by the batch's weight and adds the penalty's gradient; weights alone are penalised, biases aren't.
DEVICE void complete(Gradient& gradient, const float* shared, const Tile& tile, float scale, float l2) {
  if constexpr (!kWeighted && !kL2) return;
  int inputs = 0;
  for_each<0, kLayers>([&](auto l) {
    constexpr int L = decltype(l)::value;
    if (tile.layer == L) inputs = kSizes[L] + a_column(L) - tile.a;
  });
#pragma unroll
  for (int i = 0; i < kTile; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (i >= tile.count || (j >= 2 && !tile.lower)) continue;
      float g = gradient.of[i][j];
      if constexpr (kWeighted) g *= scale;
      if constexpr (kL2) g = fmaf(tile.input(i, j) < inputs ? l2 : 0.f, shared[tile.place(i, j)], g);
      gradient.of[i][j] = g;
    }
}

DEVICE void update_tile(float* shared, const Tile& tile, const Gradient& gradient, Moments& moments, const Step& h,
                        float scale) {
#pragma unroll
  for (int i = 0; i < kTile; i++)
#pragma unroll
    for (int j = 0; j < 4; j += 2) {
      if ((some_is_short() && i >= tile.count) || (some_is_low() && j && !tile.lower)) continue;
      float* at = shared + tile.place(i, j);
      float2 w = load2(at);
      update(w.x, moments, i, j, kClip ? scale * gradient.of[i][j] : gradient.of[i][j], h);
      update(w.y, moments, i, j + 1, kClip ? scale * gradient.of[i][j + 1] : gradient.of[i][j + 1], h);
      store2(at, w);
    }
}
