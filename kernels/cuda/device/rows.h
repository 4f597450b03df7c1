// Which rows of the table a step visits, as in jaxbm.run.rows and jaxbm.shuffle, bit for bit; and how they come here.
#pragma once
#include "portable.h"
#include "shape.h"

DEVICE u32 mix(u32 x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

struct Stream {
  u32 a, b;
};
DEVICE Stream derive(Stream s, u32 counter) {
  const u32 a = mix(s.a ^ mix(counter + 0x9e3779b9u)), b = mix(s.b + a);
  return {a ^ mix(b), b};
}
enum { kShuffleTag = 1, kDropoutTag = 2, kBootstrapTag = 3 };  // as in jaxbm.core.counter

// The random bits of a column, once `by_row` is mix(row ^ s.a).
DEVICE u32 bits(Stream s, u32 by_row, u32 column) { return mix((column ^ by_row) + s.b); }

// The shuffle's rounds: where each is reflected, and what decides; a thread for each.
DEVICE void make_keys(u32* keys, Stream epoch, u32 n) {
  if (threadIdx.x < kRounds) {
    const Stream k = derive(epoch, threadIdx.x);
    keys[2 * threadIdx.x] = __umulhi(k.a, n), keys[2 * threadIdx.x + 1] = k.b;
  }
}
DEVICE u32 permuted(const u32* keys, u32 x, u32 n) {
#pragma unroll 4
  for (int r = 0; r < kRounds; r++) {
    u32 partner = keys[2 * r] - x;
    const u32 wrapped = partner + n;
    partner = partner < wrapped ? partner : wrapped;
    u32 decides = ((x > partner ? x : partner) ^ keys[2 * r + 1]) * 0x7feb352du;
    decides = (decides ^ (decides >> 15)) * 0x846ca68bu;
    x = static_cast<int>(decides) < 0 ? partner : x;
  }
  return x;
}

// The rows that a warp visits are looked up for several steps at once, a lane for each.
constexpr int kAhead = 32 / kRows;

struct Order {
  const int* listed;
  const u32* keys;
  Stream draws;
  int count, start, table_rows, warp, lane;

  // This lane's table row in group `q` of kAhead steps, or -1.
  DEVICE int find(int q) const {
    const int step = q * kAhead + lane / kRows, element = warp * kRows + lane % kRows;
    const int position = step * kBatch + element;
    if (lane >= kAhead * kRows || element >= kBatch || position >= count) return -1;
    u32 place = position;
    if constexpr (kShuffle) place = permuted(keys, place, count);
    if constexpr (kBootstrap) place = __umulhi(bits(draws, mix(place ^ draws.a), 0), count);
    int row = place + start;
    if constexpr (kIndexed) row = listed[row];
    return row < 0 ? 0 : row < table_rows ? row : table_rows - 1;  // a wrong one is told of, not read
  }
};

struct Table {
  const float *x, *y, *weight;
};

// Starts the copies of the warp's next rows into the other half of the double buffer. `sub`: the step in its group.
DEVICE void prefetch(const Table& table, float* batch, int warp, int lane, int parity, int found, int sub) {
  constexpr int vector = kIn % 4 == 0 ? 4 : 1, pieces = kIn / vector, labels = kTargets + kRowWeights;
  float* rows = batch + warp * kRowsPadded * kStride;
#pragma unroll 4
  for (int e = 0; e < ceil_div(kRows * pieces, 32); e++) {
    const int i = e * 32 + lane, r = i / pieces, piece = i % pieces;
    const int row = __shfl_sync(0xffffffffu, found, sub * kRows + (r < kRows ? r : 0));
    if (r < kRows && row >= 0)
      copy_async<4 * vector>(rows + r * kStride + parity * in_width(0) + piece * vector,
                             table.x + static_cast<long long>(row) * kIn + piece * vector);
  }
#pragma unroll 4
  for (int e = 0; e < ceil_div(kRows * labels, 32); e++) {
    const int i = e * 32 + lane, r = i / labels, o = i % labels;
    const int row = __shfl_sync(0xffffffffu, found, sub * kRows + (r < kRows ? r : 0));
    if (r < kRows && row >= 0) {
      const float* from = table.y + static_cast<long long>(row) * kTargets + o;
      if (kRowWeights && o == kTargets) from = table.weight + row;
      copy_async<4>(rows + r * kStride + kTargetColumn + parity * kTargetWidth + o, from);
    }
  }
}
