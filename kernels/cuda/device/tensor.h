// The layers' products on tensor cores, forward and back: one warp, its own rows of the batch.
//
// A warp's instruction multiplies 16 x 8 by 8 x 8. Outputs (on the way back, inputs) are its sixteen, rows of the batch its
// eight: a weight, of which a warp has little use, is fetched once for eight rows. Lane 4 g + t holds of the first factor
// rows g and g + 8 of columns t and t + 4, of the second rows t and t + 4 of column g, of the sum rows g and g + 8 of
// columns 2 t and 2 t + 1 (source: NVIDIA, "PTX ISA", mma.m16n8k8). What is summed may come in any order, if both factors
// agree on it: so lanes read neighbours, or rows of different banks.
//
// They take TF32: factors of ten bits. Three products of factors in two parts each, kParts, have float32's accuracy (source:
// Ootomo and Yokota, "Recovering single precision accuracy from Tensor Cores while surpassing the FP32 theoretical peak
// performance", 2022).
#pragma once
#include "hidden.h"

#ifndef UNROLL_K
#define UNROLL_K 8  // of the loops over what is summed, in chunks of four
#endif

// N factors as they are multiplied: to nearest, and what was lost by it. Of that the tensor core cuts off what ten bits
// don't hold.
template <int N>
struct Factors {
  u32 high[N], low[N];
  DEVICE void set(int i, float x) {
    high[i] = to_tf32(x);
    if constexpr (kParts == 3) low[i] = float_bits(x - bits_float(high[i]));
  }
};

// A tile's sum; the small products apart, since they are nearly exact among themselves, and nobody waits for them.
struct Sum {
  float of[4] = {}, small[4] = {};
  DEVICE void add(const Factors<4>& a, const Factors<2>& b) {
    if constexpr (kParts == 3) {
      multiply_add(small, a.low, b.high);
      multiply_add(small, a.high, b.low);
    }
    multiply_add(of, a.high, b.high);
  }
  DEVICE float total(int i) const { return kParts == 3 ? of[i] + small[i] : of[i]; }
};

constexpr int kRowTiles = kRowsPadded / 8;  // of a warp

// Of `all` tiles of sixteen so many at a time: they share the rows' factors, and none waits for itself.
constexpr int tiles_at_a_time(int all) {
  const int most = kRowTiles >= 4 ? 1 : 4 / kRowTiles;
  int best = 1, best_cost = 1 << 30;
  for (int n = 1; n <= most; n++) {
    const int cost = ceil_div(all, n) * (15 * n * kRowTiles + 6 * kRowTiles);
    if (cost <= best_cost) best = n, best_cost = cost;
  }
  return best;
}

template <int L>
DEVICE void forward(const float* shared, float* batch, int warp, int lane, int parity, int units, const Drops& drops) {
  constexpr int I = kSizes[L], O = kSizes[L + 1], stride = w_stride(L), all = ceil_div(out_width(L), 16);
  constexpr bool bias_apart = kBias && I % 8 == 0;  // else the sum reaches the column of ones
  constexpr int summed = bias_apart ? I : up(I + kBias, 8), tiles = tiles_at_a_time(all);
  lane = fresh(lane) & 31;
  const int g = lane / 4, t = lane % 4;
  float* rows = batch + warp * kRowsPadded * kStride;
  const float* a = rows + g * kStride + a_column(L) + (L == 0 ? parity * in_width(0) : 0) + 2 * t;
#pragma unroll 1
  for (int first = 0; first < all; first += tiles) {
    const float* w[tiles];
    int lower[tiles];  // from the tile's upper eight outputs to its lower ones, or to the same where it has none
    Sum sums[tiles][kRowTiles];
#pragma unroll
    for (int m = 0; m < tiles; m++) {
      const int tile = all % tiles && first + m >= all ? all - 1 : first + m;
      w[m] = shared + w_offset(L) + (tile * 16 + g) * stride + 2 * t;
      lower[m] = out_width(L) % 16 && tile == all - 1 ? 0 : 8 * stride;
      if constexpr (bias_apart) {
        const float upper_bias = w[m][I - 2 * t], lower_bias = w[m][I - 2 * t + lower[m]];
#pragma unroll
        for (int n = 0; n < kRowTiles; n++) {
          sums[m][n].of[0] = sums[m][n].of[1] = upper_bias;
          sums[m][n].of[2] = sums[m][n].of[3] = lower_bias;
        }
      }
    }
#pragma unroll(UNROLL_K / 2)
    for (int k = 0; k < summed; k += 8) {
      Factors<2> b[kRowTiles];
#pragma unroll
      for (int n = 0; n < kRowTiles; n++) {
        const float2 two = load2(a + n * 8 * kStride + k);
        b[n].set(0, two.x), b[n].set(1, two.y);
      }
#pragma unroll
      for (int m = 0; m < tiles; m++) {
        const float2 upper = load2(w[m] + k), under = load2(w[m] + k + lower[m]);
        Factors<4> weights;
        weights.set(0, upper.x), weights.set(1, under.x), weights.set(2, upper.y), weights.set(3, under.y);
#pragma unroll
        for (int n = 0; n < kRowTiles; n++) sums[m][n].add(weights, b[n]);
      }
    }
#pragma unroll
    for (int m = 0; m < tiles; m++)
#pragma unroll
      for (int n = 0; n < kRowTiles; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int r = n * 8 + 2 * t + e % 2, column = (first + m) * 16 + g + e / 2 * 8;
          const float z = sums[m][n].total(e);
          if ((O % 16 || all % tiles) && column >= O) continue;
          if constexpr (L + 1 < kLayers)
            write_hidden<L, 1>(&z, rows + r * kStride, warp * kRows + r, column, units, drops);
          else
            store1(rows + r * kStride + d_column(L) + column, z);
        }
  }
#ifndef WITHOUT_WARP_BARRIER
  __syncwarp();
#endif
}

// The gradient at layer L - 1's output, from the one at layer L's.
template <int L>
DEVICE void backward(const float* shared, float* batch, int warp, int lane) {
  constexpr int I = kSizes[L], stride = w_stride(L), width = up(I, 8), all = ceil_div(width, 16);
  constexpr int tiles = tiles_at_a_time(all);
  lane = fresh(lane) & 31;
  const int g = lane / 4, t = lane % 4;
  float* rows = batch + warp * kRowsPadded * kStride;
  const float* d = rows + g * kStride + d_column(L) + t;
#pragma unroll 1
  for (int first = 0; first < all; first += tiles) {
    const float* w[tiles];
    int lower[tiles];
    Sum sums[tiles][kRowTiles];
#pragma unroll
    for (int m = 0; m < tiles; m++) {
      const int tile = all % tiles && first + m >= all ? all - 1 : first + m;
      w[m] = shared + w_offset(L) + t * stride + tile * 16 + g;
      lower[m] = width % 16 && tile == all - 1 ? 0 : 8;
    }
#pragma unroll(UNROLL_K / 2)
    for (int k = 0; k < out_width(L); k += 8) {
      Factors<2> b[kRowTiles];
#pragma unroll
      for (int n = 0; n < kRowTiles; n++) {
        b[n].set(0, load1(d + n * 8 * kStride + k));
        b[n].set(1, load1(d + n * 8 * kStride + k + 4));
      }
#pragma unroll
      for (int m = 0; m < tiles; m++) {
        const float *upper = w[m] + k * stride, *under = upper + lower[m];
        Factors<4> weights;
        weights.set(0, load1(upper)), weights.set(1, load1(under));
        weights.set(2, load1(upper + 4 * stride)), weights.set(3, load1(under + 4 * stride));
#pragma unroll
        for (int n = 0; n < kRowTiles; n++) sums[m][n].add(weights, b[n]);
      }
    }
#pragma unroll
    for (int m = 0; m < tiles; m++)
#pragma unroll
      for (int n = 0; n < kRowTiles; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int i = (first + m) * 16 + g + e / 2 * 8;
          if ((I % 16 || all % tiles) && i >= I) continue;
          float* row = rows + (n * 8 + 2 * t + e % 2) * kStride;
          float* out = row + d_column(L - 1) + i;
          const float slope = kKeepsSlope<L - 1> ? load1(out) : slope_of<L - 1>(load1(row + a_column(L) + i));
          store1(out, sums[m][n].total(e) * slope);
        }
  }
  __syncwarp();
}
