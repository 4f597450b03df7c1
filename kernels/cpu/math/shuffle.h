// jaxbm.core.counter and jaxbm.shuffle, bit for bit: counter-based words and the swap-or-not permutation.
#pragma once
#include "math/simd.h"

namespace jaxbm {
namespace {

constexpr int kRounds = 24;
constexpr uint32_t kShuffleStream = 1, kDropoutStream = 2, kBootstrapStream = 3;

struct Stream {
  uint32_t a, b;
};

template <class T>
INLINE T mix(T x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

template <class T>
struct Streams {
  T a, b;
};

// One stream below `s`, or a vector of them.
template <class T>
INLINE Streams<T> derived(Stream s, T counter) {
  T a = mix(s.a ^ mix(counter + 0x9e3779b9u)), b = mix(s.b + a);
  return {a ^ mix(b), b};
}

INLINE Stream derive(Stream s, uint32_t counter) {
  Streams<uint32_t> one = derived(s, counter);
  return {one.a, one.b};
}

// The permutation of n rows that a stream names: its rounds' pivots and salts.
struct Permutation {
  static constexpr int kPadded = (kRounds + VL - 1) / VL * VL;
  uint32_t n, pivot[kPadded], salt[kPadded];

  void start(Stream s, uint32_t rows) {
    n = rows;
    for (int r = 0; r < kRounds; r += VL) {
      Streams<Word> keys = derived(s, (Word)(lanes() + r));
      store((float*)pivot + r, (Vec)keys.a);
      store((float*)salt + r, (Vec)keys.b);
    }
    for (int r = 0; r < kRounds; r++) pivot[r] = (uint32_t)(((uint64_t)pivot[r] * n) >> 32);
  }

  // Where the entries of `x` go. Lanes with x >= n have no meaning. A round's steps wait for each other, so several
  // vectors go through the rounds side by side.
  template <int N>
  INLINE_MEMBER void apply(Word (&x)[N]) const {
    for (int r = 0; r < kRounds; r++) {
      UNROLL for (int i = 0; i < N; i++) {
        Word partner = pivot[r] - x[i], wrapped = partner + n;
        partner = partner < wrapped ? partner : wrapped;  // pivot - x mod n: below zero it is a huge number
        Word bits = ((x[i] > partner ? x[i] : partner) ^ salt[r]) * 0x7feb352du;
        bits = (bits ^ (bits >> 15)) * 0x846ca68bu;
        x[i] = (Int)bits < 0 ? partner : x[i];
      }
    }
  }
};

}  // namespace
}  // namespace jaxbm
