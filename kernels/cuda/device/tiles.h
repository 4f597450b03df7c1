// Weight gradients without tensor cores: each thread, its own tiles of the weights.
#pragma once
#include "update.h"

#ifndef UNROLL_ROWS
#define UNROLL_ROWS 4  // of the gradient's loop over the batch
#endif

struct Tile {
  int a, d, w, stride;  // offsets of its inputs, gradients and weights, all multiples of four
  int lower;            // from its upper four rows to its lower four: two tiles' are woven, so that neighbours' banks differ
  int layer;            // -1: there is none
  DEVICE int row_of(int i) const { return i < 4 ? i : lower + i - 4; }
  // Where the weight of an element lies.
  DEVICE int place(int i, int j) const { return w + row_of(i) * stride + j; }
  // From one half of the double buffer to the other.
  DEVICE int flip() const { return layer == 0 ? in_width(0) : 0; }
};

DEVICE Tile tile_of(int t) {
  Tile tile{0, 0, 0, 0, 0, -1};
  for_each<0, kLayers>([&](auto l) {
    constexpr int L = decltype(l)::value, across = out_width(L) / 4, down = in_width(L) / kTile;
    if (t >= 0 && t < down * across) {
      const int pair = t / (2 * across), in = t % (2 * across);  // neighbours alternate, as in `place_of`
      const bool single = 2 * pair + 1 == down;
      const int row = 2 * pair * kTile + (single ? 0 : (in & 1) * 4), o = single ? in : in >> 1;
      tile = {a_column(L) + row, d_column(L) + o * 4, w_offset(L) + row * w_stride(L) + o * 4, w_stride(L),
              single ? 4 : 8, L};
    }
    t -= down * across;
  });
  return tile;
}

// A tile in two registers, for as long as a step is forward and backward: nobody has to look it up again, and nothing
// is spilled for it. Places are fourteen bits, in units of four floats (64 Ki floats are more than any block has).
static_assert(kSharedFloats <= 1 << 16 && kLayers <= 16);
struct PackedTile {
  u32 places, weights;  // inputs, gradients, layer; weights, their stride, whether there is a tile, whether it is woven
};
DEVICE PackedTile packed(const Tile& tile) {
  const bool exists = tile.layer >= 0;
  return {u32(tile.a / 4) | u32(tile.d / 4) << 14 | (exists ? u32(tile.layer) << 28 : 0),
          u32(tile.w / 4) | u32(tile.stride / 4) << 14 | (exists ? 1u << 28 : 0) | (tile.lower == 8 ? 1u << 29 : 0)};
}
DEVICE Tile unpacked(const PackedTile& packed) {
  constexpr u32 mask = (1 << 14) - 1;
  const u32 p = fresh(packed.places), w = fresh(packed.weights);
  return {int(p & mask) * 4, int(p >> 14 & mask) * 4, int(w & mask) * 4, int(w >> 14 & mask) * 4, w >> 29 & 1 ? 8 : 4,
          w >> 28 & 1 ? int(p >> 28) : -1};
}

// Calls f(i, j, leaf, index, size) for the tile's elements that exist: a leaf's number among those of its part, the
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
          const int row = tile.a - a_column(L) + tile.row_of(i), column = tile.d - d_column(L) + j;
          if (column < O && row < I) f(i, j, Const<kOfLayer * L>{}, row * O + column, I * O);
          if (kBias && column < O && row == I) f(i, j, Const<kOfLayer * L + kBias>{}, column, O);
        }
    }
  });
}

// The sum over the batch of a tile's inputs times its gradients.
DEVICE void sum_gradient(const float* batch, const Tile& tile, int parity, Gradient& gradient) {
#pragma unroll
  for (int i = 0; i < kTile; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) gradient.of[i][j] = 0.f;
  const float *a = batch + tile.a + parity * tile.flip(), *lower = a + tile.lower, *d = batch + tile.d;
#pragma unroll UNROLL_ROWS
  for (int r = 0; r < kAllRows; r++) {
    const float4 dv = load4(d + r * kStride);
    float4 av[kTile / 4];
#pragma unroll
    for (int q = 0; q < kTile / 4; q++) av[q] = load4((q ? lower : a) + r * kStride);
#pragma unroll
    for (int i = 0; i < kTile; i++)
#pragma unroll
      for (int j = 0; j < 4; j++) gradient.of[i][j] = fmaf(part(av[i / 4], i % 4), part(dv, j), gradient.of[i][j]);
  }
}

// Divides by the batch's weight and adds the penalty's gradient; weights alone are penalised, biases aren't.
DEVICE void complete(Gradient& gradient, const float* shared, const Tile& tile, float scale, float l2) {
  if constexpr (!kWeighted && !kL2) return;
#pragma unroll
  for (int i = 0; i < kTile; i++) {
    float4 w{};
    bool penalised = false;
    if constexpr (kL2) {
      w = load4(shared + tile.w + tile.row_of(i) * tile.stride);
      for_each<0, kLayers>([&](auto l) {
        constexpr int L = decltype(l)::value;
        if (tile.layer == L) penalised = tile.a - a_column(L) + tile.row_of(i) < kSizes[L];
      });
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
      float g = gradient.of[i][j];
      if constexpr (kWeighted) g *= scale;
      if constexpr (kL2) g = fmaf(penalised ? l2 : 0.f, part(w, j), g);
      gradient.of[i][j] = g;
    }
  }
}

DEVICE void update_tile(float* shared, const Tile& tile, const Gradient& gradient, Moments& moments, const Step& h,
                        float scale) {
  int w_at = tile.w;
  const int stride = fresh(tile.stride);
#pragma unroll
  for (int i = 0; i < kTile; i++) {
    float* at = shared + w_at;
    w_at += i == 3 ? (tile.lower - 3) * stride : stride;
    float4 w = load4(at);
    update(w.x, moments, i, 0, kClip ? scale * gradient.of[i][0] : gradient.of[i][0], h);
    update(w.y, moments, i, 1, kClip ? scale * gradient.of[i][1] : gradient.of[i][1], h);
    update(w.z, moments, i, 2, kClip ? scale * gradient.of[i][2] : gradient.of[i][2], h);
    update(w.w, moments, i, 3, kClip ? scale * gradient.of[i][3] : gradient.of[i][3], h);
    store4(at, w);
  }
}
