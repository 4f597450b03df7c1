// What a program is compiled for, as macros, and where everything lies in a block's shared memory.
//
// SIZES, ACTIVATIONS (one for each layer), LOSS, OPTIMIZER, BATCH; THREADS, BLOCKS (to a multiprocessor: it limits the
// registers), TILE; PARTS (of a factor on tensor cores; 0: products are made without them); and what is switched on, each
// 0 or 1. `plan.py` writes them, and knows the same layout: it says in SHARED_BYTES how much there must come out.
#pragma once
#include "vocabulary.h"

constexpr int kSizes[] = {SIZES};
constexpr int kActivations[] = {ACTIVATIONS};
constexpr int kLoss = LOSS, kOptimizer = OPTIMIZER, kBatch = BATCH, kThreads = THREADS, kTile = TILE,
              kParts = PARTS;
constexpr bool kBias = BIAS, kNesterov = NESTEROV, kMomentum = MOMENTUM, kDecay = DECAY, kL2 = L2,
               kL2OverRows = L2_OVER_ROWS, kClip = CLIP,
               kDropout = DROPOUT, kWidths = WIDTHS, kSchedule = SCHEDULE, kShuffle = SHUFFLE, kBootstrap = BOOTSTRAP,
               kIndexed = INDEXED, kRowWeights = ROW_WEIGHTS, kClassWeights = CLASS_WEIGHTS;
constexpr bool kWeighted = kRowWeights || kClassWeights, kAdamState = kOptimizer == kAdam;
constexpr bool kIntegerLabels = kLoss == kSoftmaxIntegerLabels, kTensor = kParts > 0;
static_assert(kParts == 0 || kParts == 1 || kParts == 3);

constexpr int kLayers = sizeof(kSizes) / sizeof(int) - 1, kWarps = kThreads / 32;
constexpr int kIn = kSizes[0], kOut = kSizes[kLayers], kTargets = kIntegerLabels ? 1 : kOut;
static_assert(sizeof(kActivations) / sizeof(int) == kLayers && kThreads % 32 == 0);

constexpr int up(int a, int b) { return (a + b - 1) / b * b; }
constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
// Strides of 4 mod 8 floats: rows share banks with those 8 further, and with none nearer.
constexpr int odd4(int a) { return up(a, 4) % 8 == 4 ? up(a, 4) : up(a, 4) + 4; }
// Strides of 8 mod 16: of four rows that follow each other, eight columns lie in banks of their own.
constexpr int odd8(int a) { return up(a, 8) % 16 == 8 ? up(a, 8) : up(a, 8) + 8; }

// ---- Leaves: parameters, then moments, each layer by layer: weight, bias ----

constexpr int kMoments = kAdamState ? 2 : kMomentum ? 1 : 0;
constexpr int kOfLayer = kBias ? 2 : 1, kOfPart = kLayers * kOfLayer, kLeaves = (1 + kMoments) * kOfPart;

// ---- Other inputs, in this order ----

enum { kX, kY, kWords, kInts, kNumbers, kRates, kAlways };
constexpr int kWidthsInput = kAlways, kRowWeightsInput = kWidthsInput + kWidths,
              kClassWeightsInput = kRowWeightsInput + kRowWeights, kRowsInput = kClassWeightsInput + kClassWeights,
              kInputs = kRowsInput + kIndexed;
enum { kGoing, kEpoch, kStart, kCount, kStepsBefore };                             // of kInts
enum { kB1, kB2, kEps, kEpsRoot, kWeightDecay, kOfMomentum, kOfL2, kMaxNorm, kKeepScale, kMinDelta,
       kOfLoss };  // of kNumbers

struct Args {
  float* leaf[kLeaves];      // changed in place
  const void* in[kInputs];
  float* sums;               // of the weighted losses, and of the weights
  long long stride[kInputs];  // from one member's to the next one's, in elements; 0 where they share it
  int table_rows, classes;
};

// ---- The batch in shared memory: a row for each of its rows ----

// Each warp owns kRows rows (kRowsPadded in memory) and takes them forward and back alone.
constexpr int kRows = ceil_div(kBatch, kWarps);
constexpr int padded_rows(int rows) {
  return kTensor ? up(rows, 8) : rows <= 2 ? rows : rows <= 16 ? up(rows, 2) : up(rows, 4);
}
constexpr int kRowsPadded = padded_rows(kRows), kAllRows = kRowsPadded * kWarps;
static_assert(kRows <= 32, "a warp holds at most 32 rows of the batch: use more threads");

// A row: inputs of the first layer (twice: this batch's and the next one's), of the other layers, each with a column of
// ones for the bias; gradients at each layer's output; targets and the row's weight (twice).
constexpr int in_width(int l) { return up(kSizes[l] + 1, kTensor ? 8 : kTile); }
constexpr int out_width(int l) { return up(kSizes[l + 1], kTensor ? 8 : 4); }
constexpr int a_column(int l) {
  int c = l == 0 ? 0 : 2 * in_width(0);
  for (int i = 1; i < l; i++) c += in_width(i);
  return c;
}
constexpr int d_column(int l) {
  int c = a_column(kLayers);
  for (int i = 0; i < l; i++) c += out_width(i);
  return c;
}
constexpr int kTargetWidth = up(kTargets + kRowWeights, 4), kTargetColumn = d_column(kLayers);
constexpr int kStride = odd4(kTargetColumn + 2 * kTargetWidth);

// ---- The weights in shared memory: a row for each input, the bias as a last one; for tensor cores a row for each output,
// the bias as a last column ----

constexpr int w_stride(int l) { return kTensor ? odd8(in_width(l)) : odd4(out_width(l)); }
constexpr int w_rows(int l) { return kTensor ? out_width(l) : in_width(l); }
constexpr int w_offset(int l) {
  int o = 0;
  for (int i = 0; i < l; i++) o += w_rows(i) * w_stride(i);
  return o;
}
// From an input (or the bias) to an output.
constexpr int w_place(int l, int input, int output) {
  return w_offset(l) + (kTensor ? output * w_stride(l) + input : input * w_stride(l) + output);
}

// Who makes the gradients of which weights. Without tensor cores: a thread, in tiles of kTile x 4. With them: a warp, in
// strips of kTile tiles of 16 outputs x 8 inputs. Each owns kSlots of them, and their moments in registers.
constexpr int kOwners = kTensor ? kWarps : kThreads;
constexpr int strips_across(int l) { return ceil_div(in_width(l) / 8, kTile); }
constexpr int tiles_of(int l) {
  return kTensor ? ceil_div(out_width(l), 16) * strips_across(l) : in_width(l) / kTile * (out_width(l) / 4);
}
constexpr int all_tiles() {
  int n = 0;
  for (int l = 0; l < kLayers; l++) n += tiles_of(l);
  return n;
}
constexpr int kSlots = ceil_div(all_tiles(), kOwners);

// ---- Everything ----

constexpr int kRounds = 24;  // of the shuffle
constexpr int kBatchOffset = w_offset(kLayers);
constexpr int kSumOffset = kBatchOffset + kAllRows * kStride;  // for each warp: loss, weights, squares of gradients
constexpr int kKeysOffset = kSumOffset + up(3 * kWarps, 4);
constexpr int kWidthsOffset = kKeysOffset + (kShuffle ? 2 * kRounds : 0);
constexpr int kSharedFloats = kWidthsOffset + (kWidths ? up(kLayers + 1, 4) : 0);
#ifdef SHARED_BYTES
static_assert(kSharedFloats * 4 == SHARED_BYTES, "plan.py knows another layout");
#endif
