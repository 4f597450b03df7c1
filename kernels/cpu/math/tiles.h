// Matrix products on AMX's tiles of bfloat16, to the accuracy of float32.
//
// A float32 has 24 bits and a bfloat16 eight, so one is the sum of three of the other: x = x0 + x1 + x2, the first one
// rounded, so that what is left has either sign. Of the nine products of parts, the six largest are added up in float32:
//   x y = x0 y0 + (x0 y1 + x1 y0) + (x0 y2 + x1 y1 + x2 y0)
// What is left out is 2**-26 |x y| in the root mean square, 2**-23 at most and zero on average: like one rounding to
// float32. Tiles do 16 times as many multiply-adds a cycle as vectors of AVX-512, so six times as many are still 2.7
// times as fast.
// The instruction set: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18. The same
// splitting: Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
// computations", 2019.
#pragma once
#include "math/matmul.h"

namespace jaxbm {
namespace {

#if defined(__AMX_BF16__)
constexpr bool kTiles = true;
#else
constexpr bool kTiles = false;  // what follows compiles everywhere, and is used nowhere else
#endif

constexpr long kTileRows = 16, kTileDepth = 32;  // of the left factor; the right one has kTileDepth rows of 16 columns
constexpr long kTileWords = 256;                 // a word is two bfloat16, of depths k and k + 16
constexpr int kParts = 3;
constexpr long kStepWords = kParts * kTileWords;  // of a block of rows or columns, kTileDepth deep
constexpr long kPair = 2 * kTileRows;             // rows of a product that are worked out together
constexpr long kRowsOnTiles = 256;                // most rows of a batch whose split factors are kept at once

INLINE long tile_steps(long depth) { return (depth + kTileDepth - 1) / kTileDepth; }
INLINE long tile_pairs(long rows) { return (rows + kPair - 1) / kPair; }
// Words of a block of rows or columns, split.
INLINE long block_words(long depth) { return tile_steps(depth) * kStepWords; }

// Tiles of sixteen rows of 64 bytes while in scope.
class TileScope {
 public:
  TileScope() {
    if constexpr (!kTiles) return;
    alignas(64) unsigned char shape[64] = {1};  // palette 1
    for (int t = 0; t < 8; t++) {
      shape[16 + 2 * t] = 64;
      shape[48 + t] = kTileRows;
    }
    asm volatile("ldtilecfg %0" ::"m"(shape));
  }
  ~TileScope() {
    if constexpr (kTiles) asm volatile("tilerelease");
  }
};

template <int T>
INLINE void tile_zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(T));
}

template <int T>
INLINE void tile_load(const uint32_t* p) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(64L), "i"(T), "m"(*(const uint32_t(*)[kTileWords])p));
}

template <int T>
INLINE void tile_load(const float* p, long stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride * 4), "i"(T) : "memory");
}

template <int T>
INLINE void tile_store(float* p, long stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride * 4), "i"(T) : "memory");
}

// tile C += tile A @ tile B
template <int C, int A, int B>
INLINE void tile_multiply() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

// Two vectors into the same row of three tiles, their parts side by side.
INLINE void split(Vec low, Vec high, uint32_t* to) {
  const Word upper = (Word)(Int{} + (int32_t)0xffff0000), half = (Word)(Int{} + 0x8000);
  UNROLL for (int part = 0; part < kParts; part++) {
    Word a = (Word)low, b = (Word)high;
    if (part == 0) a += half, b += half;
    b &= upper;
    store((float*)(to + part * kTileWords), (Vec)((a >> 16) | b));
    low = low - (Vec)(a & upper);
    high = high - (Vec)b;
  }
}

// Splits the left factor a [rows, depth], depth a multiple of VL: a block of rows after the other.
INLINE void split_rows(const float* a, long stride, long rows, long depth, uint32_t* to) {
  for (long r = 0; r < rows; r++) {
    uint32_t* tile = to + r / kTileRows * block_words(depth) + r % kTileRows * VL;
    for (long k = 0; k < depth; k += kTileDepth, tile += kStepWords) {
      const float* at = a + r * stride + k;
      split(load(at), k + VL < depth ? load(at + VL) : Vec{}, tile);
    }
  }
}

// Rows [k, k + VL) and columns [r, r + VL) of a [depth, ...] turned around; zeros from row `depth` on.
INLINE void load_transposed(const float* a, long stride, long k, long depth, Vec (&r)[VL]) {
  if (k + VL <= depth) {
    UNROLL for (int i = 0; i < VL; i++) r[i] = load(a + (k + i) * stride);
  } else {
    for (int i = 0; i < VL; i++) r[i] = k + i < depth ? load(a + (k + i) * stride) : Vec{};
  }
  transpose(r);
}

// Splits the left factor a.T, for a [depth, rows], rows a multiple of VL.
INLINE void split_transposed(const float* a, long stride, long rows, long depth, uint32_t* to) {
  for (long r = 0; r < rows; r += kTileRows)
    for (long k = 0; k < depth; k += kTileDepth, to += kStepWords) {
      Vec low[VL], high[VL];
      load_transposed(a + r, stride, k, depth, low);
      load_transposed(a + r, stride, k + VL, depth, high);
      for (int i = 0; i < VL; i++) split(low[i], high[i], to + i * VL);
    }
}

// Splits a panel of the right factor, b [depth, columns] with one or two blocks of columns. It can be done in shares,
// between the multiplications of the panel before, which take longer to be done than to be started.
class SplitPanel {
 public:
  SplitPanel() = default;
  SplitPanel(const float* b, long stride, long depth, long columns, uint32_t* to)
      : b_(b), to_(to), stride_(stride), depth_(depth), left_(tile_steps(depth) * VL), two_(columns > VL) {}

  SplitPanel share(long part, long parts) const {
    SplitPanel r = *this;
    const long first = left_ * part / parts;
    r.left_ = left_ * (part + 1) / parts - first;
    r.k_ = first / VL * kTileDepth + first % VL;
    r.to_ += first / VL * kStepWords + first % VL * VL;
    return r;
  }

  long left() const { return left_; }

  INLINE_MEMBER void step() {
    const float *at = b_ + k_ * stride_, *below = at + VL * stride_;
    const bool low = k_ < depth_, high = k_ + VL < depth_;
    split(low ? load(at) : Vec{}, high ? load(below) : Vec{}, to_);
    if (two_) split(low ? load(at + VL) : Vec{}, high ? load(below + VL) : Vec{}, to_ + block_words(depth_));
    to_ += VL;
    if (++k_ % VL == 0) k_ += VL, to_ += kStepWords - kTileWords;
    left_--;
  }

  INLINE_MEMBER void end() {
    while (left_ > 0) step();
  }

 private:
  const float* b_ = nullptr;
  uint32_t* to_ = nullptr;
  long stride_ = 0, depth_ = 0, k_ = 0, left_ = 0;
  bool two_ = false;
};

// One kind of work after the other.
template <class First, class Second>
struct Both {
  First first;
  Second second;

  long left() const { return first.left() + second.left(); }

  INLINE_MEMBER void step() {
    if (first.left() > 0) first.step();
    else second.step();
  }

  INLINE_MEMBER void end() {
    first.end();
    second.end();
  }
};

template <class First, class Second>
INLINE Both<First, Second> both(First first, Second second) {
  return {first, second};
}

// The products of parts from the smallest to the largest, so that most of them need one new part: -1 is the one that is
// there.
struct Product {
  int left, right;
};
constexpr Product kProducts[6] = {{0, 2}, {-1, 1}, {1, -1}, {-1, 0}, {0, -1}, {2, -1}};

// out = sums + a @ b for two blocks of rows and NV of columns; sums are zero where there are none. `work` is done
// meanwhile.
template <int NV, class Work>
INLINE void multiply_tiles(long depth, const uint32_t* a, const uint32_t* b, const float* sums, float* out, Work work) {
  constexpr long width = NV * VL;
  const long steps = tile_steps(depth), next = block_words(depth), each = (work.left() + 6 * steps - 1) / (6 * steps);
  if (sums) {
    tile_load<0>(sums, width), tile_load<1>(sums + kTileRows * width, width);
    if constexpr (NV > 1) tile_load<2>(sums + VL, width), tile_load<3>(sums + kTileRows * width + VL, width);
  } else {
    tile_zero<0>(), tile_zero<1>();
    if constexpr (NV > 1) tile_zero<2>(), tile_zero<3>();
  }
  for (long i = 0; i < steps; i++) {
    for (const Product& product : kProducts) {
      if (product.left >= 0) {
        tile_load<4>(a + product.left * kTileWords);
        tile_load<5>(a + next + product.left * kTileWords);
      }
      if (product.right >= 0) {
        tile_load<6>(b + product.right * kTileWords);
        if constexpr (NV > 1) tile_load<7>(b + next + product.right * kTileWords);
      }
      tile_multiply<0, 4, 6>(), tile_multiply<1, 5, 6>();
      if constexpr (NV > 1) tile_multiply<2, 4, 7>(), tile_multiply<3, 5, 7>();
      for (long k = 0; k < each && work.left() > 0; k++) work.step();
    }
    a += kStepWords;
    b += kStepWords;
  }
  work.end();
  tile_store<0>(out, width), tile_store<1>(out + kTileRows * width, width);
  if constexpr (NV > 1) tile_store<2>(out + VL, width), tile_store<3>(out + kTileRows * width + VL, width);
}

// A thread's split factors: all of the left one that is needed; of the right one the panel in use and the next.
struct Factors {
  uint32_t *left, *right[2];

  uint32_t* panel(long column) const { return right[column / kPanel % 2]; }
};

}  // namespace
}  // namespace jaxbm
