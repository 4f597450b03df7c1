// One register-blocked microkernel for forward pass, input gradient and weight gradient.
//
// A tile is M rows by NV vectors of accumulators: out[i, n] = start(n) + sum over k of a[i, k] * b[k, n], with k
// always in ascending order. So an element's value depends neither on which tile it falls into nor on how rows are
// split among threads.
#pragma once
#include "math/simd.h"

namespace jaxbm {
namespace {

#ifndef TILE_ROWS
#define TILE_ROWS 6
#endif
constexpr int kTileVectors = 2;
constexpr long kPanel = kTileVectors * VL;  // columns that lie side by side in packed weights

template <int N>
struct Constant {
  static constexpr int value = N;
};

// Work to be done between a tile's multiplications, step by step while there is `more` to be done; `take` hands it
// out, as a value that stays in registers, and `end` does what is left.
struct NoWork {
  NoWork take() const { return {}; }
  static constexpr bool more() { return false; }
  void step() {}
  void end() {}
};

// a: element (i, k) at a[i * row_stride + k * k_stride]; b: row k at b[k * b_stride].
template <int M, int NV, class Start, class Finish, class Work = NoWork>
INLINE void tile(long depth, const float* a, long row_stride, long k_stride, const float* b, long b_stride,
                 Start start, Finish finish, Work&& between = Work()) {
  Vec acc[M][NV];
  UNROLL for (int i = 0; i < M; i++) {
    UNROLL for (int n = 0; n < NV; n++) acc[i][n] = start(i, n);
  }
  auto multiply = [&]() __attribute__((always_inline)) {
    Vec row[NV];
    UNROLL for (int n = 0; n < NV; n++) row[n] = load(b + n * VL);
    UNROLL for (int i = 0; i < M; i++) {
      Vec x = all(a[i * row_stride]);
      UNROLL for (int n = 0; n < NV; n++) acc[i][n] = fma(x, row[n], acc[i][n]);
    }
    a += k_stride;
    b += b_stride;
  };
  auto work = between.take();
  for (; work.more() && depth > 1; depth -= 2) {
    multiply();
    multiply();
    work.step();
  }
  for (; depth > 0; depth--) multiply();
  work.end();
  UNROLL for (int i = 0; i < M; i++) {
    UNROLL for (int n = 0; n < NV; n++) finish(i, n, acc[i][n]);
  }
}

// Rows [first, last) in blocks of nearly equal height, at most Most: visit(row, Constant<height>).
template <int Most, class Visit>
INLINE void in_blocks(long first, long last, Visit visit) {
  long rows = last - first;
  if (rows <= 0) return;
  long blocks = (rows + Most - 1) / Most, height = rows / blocks, taller = rows % blocks;
  for (long b = 0; b < blocks; b++) {
    long m = height + (b < taller);
    switch (m) {
      case 1: visit(first, Constant<1>()); break;
      case 2: visit(first, Constant<2 <= Most ? 2 : Most>()); break;
      case 3: visit(first, Constant<3 <= Most ? 3 : Most>()); break;
      case 4: visit(first, Constant<4 <= Most ? 4 : Most>()); break;
      case 5: visit(first, Constant<5 <= Most ? 5 : Most>()); break;
      case 6: visit(first, Constant<6 <= Most ? 6 : Most>()); break;
      case 7: visit(first, Constant<7 <= Most ? 7 : Most>()); break;
      default: visit(first, Constant<8 <= Most ? 8 : Most>()); break;
    }
    first += m;
  }
}

// Rows [first, last) in blocks of Most, and what is left in blocks of 4, 2 and 1: fewer kinds of tiles to compile where
// a tile is long code.
template <int Most, class Visit>
INLINE void in_steps(long first, long last, Visit visit) {
  for (; last - first >= Most; first += Most) visit(first, Constant<Most>());
  if (last - first >= 4) visit(first, Constant<4>()), first += 4;
  if (last - first >= 2) visit(first, Constant<2>()), first += 2;
  if (last - first >= 1) visit(first, Constant<1>());
}

// Columns in panels: visit(first column, panel width, Constant<vectors in it>).
template <class Visit>
INLINE void in_panels(long padded, Visit visit) {
  for (long c = 0; c < padded; c += kPanel) {
    if (padded - c >= kPanel)
      visit(c, kPanel, Constant<kTileVectors>());
    else
      visit(c, (long)VL, Constant<1>());
  }
}

INLINE long panel_width(long column, long padded) {
  long first = column / kPanel * kPanel;
  return padded - first < kPanel ? padded - first : kPanel;
}

// Two vectors exchange the lanes in which j & S differs.
template <int S>
INLINE void exchange_pair(Vec& low, Vec& high) {
  Vec x = low, y = high;
#if defined(__clang__)
  UNROLL for (int j = 0; j < VL; j++) {
    low[j] = (j & S) ? y[j - S] : x[j];
    high[j] = (j & S) ? y[j] : x[j + S];
  }
#else
  Int of_low, of_high;
  UNROLL for (int j = 0; j < VL; j++) {
    of_low[j] = (j & S) ? VL + j - S : j;
    of_high[j] = (j & S) ? VL + j : j + S;
  }
  low = __builtin_shuffle(x, y, of_low);
  high = __builtin_shuffle(x, y, of_high);
#endif
}

// One round of a transposition.
template <int S>
INLINE void exchange(Vec (&r)[VL]) {
  UNROLL for (int i = 0; i < VL; i++)
    if (!(i & S)) exchange_pair<S>(r[i], r[i + S]);
}

// Lane i: the lanes of r[i], combined as `total` combines them.
template <class Combine>
INLINE Vec fold(Vec (&r)[VL], Combine combine) {
  auto halve = [&](auto half) __attribute__((always_inline)) {
    constexpr int S = decltype(half)::value;
    UNROLL for (int i = 0; i < S; i++) {
      exchange_pair<S>(r[i], r[i + S]);
      r[i] = combine(r[i], r[i + S]);
    }
  };
  if constexpr (VL > 8) halve(Constant<8>());
  if constexpr (VL > 4) halve(Constant<4>());
  halve(Constant<2>());
  halve(Constant<1>());
  return r[0];
}

// total(r[i]) in lane i, to the bit.
INLINE Vec totals(Vec (&r)[VL]) {
  return fold(r, [](Vec a, Vec b) __attribute__((always_inline)) { return a + b; });
}

// The largest lane of r[i] in lane i.
INLINE Vec largests(Vec (&r)[VL]) {
  return fold(r, [](Vec a, Vec b) __attribute__((always_inline)) { return larger(a, b); });
}

INLINE void transpose(Vec (&r)[VL]) {
  exchange<1>(r);
  exchange<2>(r);
  if constexpr (VL > 4) exchange<4>(r);
  if constexpr (VL > 8) exchange<8>(r);
}

// The VL by VL block at a, transposed to b.
INLINE void transpose(const float* a, long a_stride, float* b, long b_stride) {
  Vec r[VL];
  UNROLL for (int i = 0; i < VL; i++) r[i] = load(a + i * a_stride);
  transpose(r);
  UNROLL for (int i = 0; i < VL; i++) store(b + i * b_stride, r[i]);
}

}  // namespace
}  // namespace jaxbm
