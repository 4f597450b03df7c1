// The layers' products, forward and back, without tensor cores: one warp, its own rows of the batch.
#pragma once
#include "hidden.h"

#ifndef UNROLL_K
#define UNROLL_K 8  // of the loops over what is summed, in chunks of four
#endif

// How a warp's lanes share an output [kRowsPadded, columns]: over rows, columns and the summed index; a lane holds
// `tm` rows and `tn` units of columns (four columns forward, one back).
struct Lanes {
  int rows, columns, sums, tm, tn, passes;
  // How far apart neighbours' rows are: as a row is an odd number of 16 bytes, eight lanes then meet all of the banks.
  constexpr int apart() const {
    int most = rows > 8 ? 1 : 8 / rows;
    while (tm % most) most--;
    return most;
  }
  // From a lane's first row to its row `m`.
  constexpr int row(int m) const { return m % apart() + m / apart() * apart() * rows; }
};
constexpr Lanes best_lanes(int units, int chunks, int unit, int loads) {
  Lanes best{};
  int best_cost = 1 << 30;
  for (int r = 1; r <= 32; r *= 2)
    for (int s = 1; s <= 8 && r * s <= 32; s *= 2)
      for (int tn = 1; tn * unit <= 8; tn *= 2) {
        const int tm = kRowsPadded / r, c = 32 / (r * s), n = tm * tn * unit;
        if (kRowsPadded % r || tm > 8 || n > 32 || n % s) continue;
        const int passes = ceil_div(units, c * tn), steps = ceil_div(chunks, s), load = 7;
        // Instructions issued, and what the shared-memory pipe takes beside them; registers decide between equals.
        const int cost = passes * (steps * (4 * n + load * (tm + tn * loads)) + load * (n - n / s) + n / s * 6) + n;
        if (cost < best_cost) best_cost = cost, best = {r, c, s, tm, tn, passes};
      }
  return best;
}
template <int L>
constexpr Lanes kForward = best_lanes(out_width(L) / 4, ceil_div(kSizes[L], 4), 4, 4);
template <int L>
constexpr Lanes kBackward = best_lanes(kSizes[L], out_width(L) / 4, 1, 1);

struct Place {
  int row, column, sum;
};
// Neighbouring lanes alternate between rows and columns, so that either operand's 16-byte loads pair up.
template <int ROWS, int COLUMNS>
DEVICE Place place_of(int lane) {
  constexpr int product = ROWS * COLUMNS;
  const int in = lane & (product - 1);
  if constexpr (ROWS == 1)
    return {0, in, lane / product};
  else if constexpr (COLUMNS == 1)
    return {in, 0, lane / product};
  else
    return {(in & 1) | ((in >> 2) % (ROWS / 2)) << 1, (in >> 1 & 1) | ((in >> 2) / (ROWS / 2)) << 1, lane / product};
}

// Sums `acc` over the lanes that differ in `sum`; afterwards lane `sum` holds elements [sum * N / SUMS, ...) in front.
template <int N, int SUMS, int MASK = 16>
DEVICE void reduce(float (&acc)[N], int lane) {
  if constexpr (SUMS > 1) {
    constexpr int half = N / 2;
    const bool upper = lane & MASK;
    float kept[half];
#pragma unroll
    for (int i = 0; i < half; i++) {
      const float mine = upper ? acc[half + i] : acc[i], other = upper ? acc[i] : acc[half + i];
      kept[i] = mine + __shfl_xor_sync(0xffffffffu, other, MASK);
    }
    reduce<half, SUMS / 2, MASK / 2>(kept, lane);
#pragma unroll
    for (int i = 0; i < half; i++) acc[i] = kept[i];
  }
}

template <int L>
DEVICE void forward(const float* shared, float* batch, int warp, int lane, int parity, int units, const Drops& drops) {
  constexpr Lanes S = kForward<L>;
  constexpr int I = kSizes[L], O = kSizes[L + 1], chunks = ceil_div(I, 4), stride = w_stride(L), n = S.tm * S.tn * 4;
  constexpr bool bias_apart = I % 4 == 0;  // else the chunks reach the column of ones
  lane = fresh(lane) & 31;
  const Place at = place_of<S.rows, S.columns>(lane);
  float* rows = batch + warp * kRowsPadded * kStride;
  const float* a = rows + at.row * S.apart() * kStride + a_column(L) + (L == 0 ? parity * in_width(0) : 0) + at.sum * 4;
#pragma unroll 1
  for (int pass = 0; pass < S.passes; pass++) {
    const int unit = pass * S.columns * S.tn + at.column;
    float acc[n];
#pragma unroll
    for (int i = 0; i < n; i++) acc[i] = 0.f;
    const float* w[S.tn];
#pragma unroll
    for (int g = 0; g < S.tn; g++) {
      const bool inside = unit + g * S.columns < out_width(L) / 4;
      w[g] = shared + w_offset(L) + at.sum * 4 * stride + (inside ? unit + g * S.columns : 0) * 4;
      if (bias_apart && kBias && at.sum == 0) {
        const float4 bias = load4(w[g] + I * stride);
#pragma unroll
        for (int m = 0; m < S.tm; m++)
#pragma unroll
          for (int j = 0; j < 4; j++) acc[(m * S.tn + g) * 4 + j] = part(bias, j);
      }
    }
#pragma unroll UNROLL_K
    for (int c = 0; c < chunks; c += S.sums) {
      if (chunks % S.sums && c + at.sum >= chunks) break;
      float4 av[S.tm];
#pragma unroll
      for (int m = 0; m < S.tm; m++) av[m] = load4(a + S.row(m) * kStride + c * 4);
#pragma unroll
      for (int k = 0; k < 4; k++)
#pragma unroll
        for (int g = 0; g < S.tn; g++) {
          const float4 wv = load4(w[g] + (c * 4 + k) * stride);
#pragma unroll
          for (int m = 0; m < S.tm; m++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
              float& s = acc[(m * S.tn + g) * 4 + j];
              s = fmaf(part(av[m], k), part(wv, j), s);
            }
        }
    }
    __syncwarp();
    reduce<n, S.sums>(acc, lane);
    constexpr int share = n / S.sums, width = share % 4 || O % 4 ? 1 : 4;
#pragma unroll
    for (int u = 0; u < share; u += width) {
      const int f = at.sum * share + u, m = at.row * S.apart() + S.row(f / (4 * S.tn));
      const int column = (unit + f / 4 % S.tn * S.columns) * 4 + f % 4;
      if (column >= O) continue;
      float* row = rows + m * kStride;
      if constexpr (L + 1 < kLayers) {
        write_hidden<L, width>(acc + u, row, warp * kRows + m, column, units, drops);
      } else {
#pragma unroll
        for (int j = 0; j < width; j++) row[d_column(L) + column + j] = acc[u + j];
      }
    }
  }
#ifndef WITHOUT_WARP_BARRIER
  __syncwarp();
#endif
}

// The gradient at layer L - 1's output, from the one at layer L's.
template <int L>
DEVICE void backward(const float* shared, float* batch, int warp, int lane) {
  constexpr Lanes S = kBackward<L>;
  constexpr int I = kSizes[L], chunks = out_width(L) / 4, stride = w_stride(L), n = S.tm * S.tn;
  lane = fresh(lane) & 31;
  const Place at = place_of<S.rows, S.columns>(lane);
  float* rows = batch + warp * kRowsPadded * kStride;
  const float* d = rows + at.row * S.apart() * kStride + d_column(L) + at.sum * 4;
#pragma unroll 1
  for (int pass = 0; pass < S.passes; pass++) {
    const int first = pass * S.columns * S.tn + at.column;
    float acc[n];
#pragma unroll
    for (int i = 0; i < n; i++) acc[i] = 0.f;
    const float* w = shared + w_offset(L) + at.sum * 4;
#pragma unroll UNROLL_K
    for (int c = 0; c < chunks; c += S.sums) {
      if (chunks % S.sums && c + at.sum >= chunks) break;
      float4 dv[S.tm];
#pragma unroll
      for (int m = 0; m < S.tm; m++) dv[m] = load4(d + S.row(m) * kStride + c * 4);
#pragma unroll
      for (int g = 0; g < S.tn; g++) {
        const int i = first + g * S.columns;
        const float4 wv = load4(w + (i < I ? i : 0) * stride + c * 4);
#pragma unroll
        for (int m = 0; m < S.tm; m++)
#pragma unroll
          for (int j = 0; j < 4; j++) acc[m * S.tn + g] = fmaf(part(dv[m], j), part(wv, j), acc[m * S.tn + g]);
      }
    }
    __syncwarp();
    reduce<n, S.sums>(acc, lane);
    constexpr int share = n / S.sums;
#pragma unroll
    for (int u = 0; u < share; u++) {
      const int f = at.sum * share + u, m = f / S.tn, i = first + f % S.tn * S.columns;
      if (i >= I) continue;
      float* row = rows + (at.row * S.apart() + S.row(m)) * kStride;
      float* out = row + d_column(L - 1) + i;
      *out = acc[u] * (kKeepsSlope<L - 1> ? *out : slope_of<L - 1>(row[a_column(L) + i]));
    }
  }
  __syncwarp();
}
