// Where everything of one run lies while it is trained: packed weights, moments, activations and gradients.
//
// Weights [in, out] lie in panels of kPanel columns, each panel row by row, padded with zeros to whole vectors; a
// transposed copy serves the gradient of a layer's inputs, which takes the place of the inputs. A last layer with few
// outputs is "narrow": its weights lie [out, in], and its outputs are dot products. Parameters, first and second
// moments, gradients and the snapshot are blocks of one length (`block`), so element i of one is at the same place in
// the others.
#pragma once
#include "kernel.h"
#include "math/tiles.h"

namespace jaxbm {
namespace {

constexpr long kNarrow = VL >= 16 ? 4 : VL >= 8 ? 2 : 1;

struct Layer {
  long in, out, in_padded, out_padded;
  long leaf_stride;  // floats from row to row of the caller's weights
  bool narrow, tiles;  // tiles: its products are large enough for AMX
  float *weight, *transposed, *bias;  // transposed: [out, in] in panels of columns; null where no gradient goes
  float *input, *slope, *gradient;    // slope: d input / d what the activation was applied to, null for plain relu
  long input_stride, gradient_stride;
};

struct Net {
  int layers;
  Layer layer[kMaxLayers];
  long block, rows;  // floats in a block; most rows at once
  int moments;
  float *params, *grads, *snapshot;
  bool halved;  // gradients are those of two halves of the batch, one block after the other
  float *logits, *losses, *labels, *scale;
  int32_t* index[2];
  float* weight_sums;
  Factors factors;     // this thread's
  double* partial;
};

INLINE long round_up(long n, long to) { return (n + to - 1) / to * to; }

// A row stride in floats: whole cache lines, an odd number of them where there are many, against aliasing.
INLINE long stride_for(long width) {
  long lines = (width + 15) / 16;
  return lines > 4 ? (lines | 1) * 16 : round_up(width, VL);
}

INLINE bool plain_relu(const Spec& s, int layer) { return s.activation[layer] == kRelu && !s.dropout; }

constexpr long kPartialBlock = 1024;  // floats whose squares are summed together

class Carver {
 public:
  explicit Carver(char* base) : base_(base) {}
  template <class T = float>
  T* take(long n) {
    used_ = (used_ + 63) / 64 * 64;
    char* p = base_ + used_;
    used_ += n * sizeof(T);
    return (T*)p;
  }
  size_t used() const { return used_ + 64; }

 private:
  char* base_;
  size_t used_ = 0;
};

// Whether tiles gain more than splitting the factors costs, by measurement. From shapes alone, since results must not
// depend on anything else.
INLINE bool pays_on_tiles(long in, long out, long batch) { return batch >= 64 && in >= 128 && out >= 128; }

INLINE int moments_of(const Spec& s) { return s.optimizer == kAdam ? 2 : s.momentum ? 1 : 0; }

INLINE void shape_layers(const Spec& s, Net& net, long batch) {
  net.layers = s.layers;
  for (int i = 0; i < s.layers; i++) {
    Layer& l = net.layer[i];
    l.in = s.sizes[i];
    l.out = l.leaf_stride = s.sizes[i + 1];
    l.in_padded = round_up(l.in, VL);
    l.out_padded = round_up(l.out, VL);
    l.narrow = i == s.layers - 1 && l.out <= kNarrow;
    l.tiles = kTiles && !l.narrow && pays_on_tiles(l.in, l.out, batch);
  }
}

INLINE bool on_tiles(const Net& net) {
  for (int i = 0; i < net.layers; i++)
    if (net.layer[i].tiles) return true;
  return false;
}

INLINE void carve_weights(Net& net, Carver& c, bool backward) {
  long floats = 0;
  for (int i = 0; i < net.layers; i++) {
    Layer& l = net.layer[i];
    floats += (l.narrow ? l.out * l.in_padded : l.in_padded * l.out_padded) + l.out_padded;
  }
  net.block = round_up(floats, kPartialBlock);
  net.params = c.take(net.block * (1 + (backward ? net.moments : 0)));
  float* p = net.params;
  for (int i = 0; i < net.layers; i++) {
    Layer& l = net.layer[i];
    l.weight = p;
    p += l.narrow ? l.out * l.in_padded : l.in_padded * l.out_padded;
    l.bias = p;
    p += l.out_padded;
  }
}

// One place for the transposed copies of all layers, made and used one after the other; each of `copies` threads has
// one of its own.
INLINE void carve_transposed(Net& net, Carver& c, int copies, int copy) {
  long most = 0;
  for (int i = 1; i < net.layers; i++) {
    const Layer& l = net.layer[i];
    const long n = (l.narrow ? l.out : l.out_padded) * l.in_padded;
    most = n > most ? n : most;
  }
  most = round_up(most, 16);
  float* place = c.take(most * copies) + most * copy;
  for (int i = 0; i < net.layers; i++) net.layer[i].transposed = i ? place : nullptr;
}

INLINE void carve_rows(const Spec& s, Net& net, Carver& c, bool backward) {
  long rows = round_up(net.rows, VL);
  for (int i = 0; i < net.layers; i++) {
    Layer& l = net.layer[i];
    l.input_stride = stride_for(l.in_padded);
    l.input = c.take(rows * l.input_stride + kPanel);
    l.slope = backward && i && !plain_relu(s, i - 1) ? c.take(rows * l.input_stride + kPanel) : nullptr;
  }
  // Between layers the gradients take the place of the activations they belong to.
  for (int i = 0; i + 1 < net.layers; i++) {
    const Layer& next = net.layer[i + 1];
    net.layer[i].gradient_stride = next.input_stride;
    net.layer[i].gradient = backward ? next.input : nullptr;
  }
  Layer& last = net.layer[net.layers - 1];
  last.gradient_stride = last.narrow ? last.out : stride_for(last.out_padded);
  last.gradient = backward ? c.take(rows * last.gradient_stride + kPanel) : nullptr;
  net.logits = c.take(rows * last.gradient_stride + kPanel);
}

// Room for the split factors of thread `rank` of `threads`.
INLINE void carve_factors(Net& net, Carver& c, int threads, int rank, long batch) {
  long left = 0, right = 0;
  auto widen = [](long& most, long n) { most = n > most ? n : most; };
  const long rows = net.rows < kRowsOnTiles ? net.rows : kRowsOnTiles, depth = batch < rows ? batch : rows;
  for (int i = 0; i < net.layers; i++) {
    const Layer& l = net.layer[i];
    if (!l.tiles) continue;
    const long widest = l.in_padded > l.out_padded ? l.in_padded : l.out_padded;
    widen(left, 2 * tile_pairs(rows) * block_words(widest));
    widen(left, 2 * tile_pairs(l.in_padded) * block_words(depth));  // for the weights' gradients
    widen(right, kTileVectors * block_words(widest));
    widen(right, kTileVectors * block_words(depth));
  }
  net.factors.left = c.take<uint32_t>(left * threads) + left * rank;
  for (auto& panel : net.factors.right) panel = c.take<uint32_t>(right * threads) + right * rank;
}

// A thread's sums of gradients, where a batch is summed in several goes: of a panel, or of its rows of a layer on
// tiles. Each thread has its own, since one may have gone on to the next layer, with other shares. There is room for
// panels also where all layers are on tiles, since a narrower member's may not be.
INLINE long weight_sums(const Net& net, long batch, int threads) {
  long most = 0;
  for (int i = 0; i < net.layers; i++) {
    const Layer& l = net.layer[i];
    const long rows = l.in_padded / threads + 2 * kPair;  // a share of them, in whole pairs of blocks
    const long panel = l.in_padded * kPanel, on_tiles = rows * round_up(l.out_padded, kPanel);
    most = panel > most ? panel : most;
    if (l.tiles && batch > kRowsOnTiles && on_tiles > most) most = on_tiles;
  }
  return round_up(most, 16);
}

// Batches whose order of rows is worked out together: a few hundred rows, since a permutation of a few takes as long.
constexpr long kOrdered = 256;
INLINE long batches_in_order(const Spec& s) { return s.batch < kOrdered ? kOrdered / s.batch : 1; }

// Lays out the workspace of a training run from `base`, for thread `rank` of `threads`; returns its size in bytes.
INLINE size_t carve(const Spec& s, Net& net, char* base, int threads, int rank) {
  Carver c(base);
  shape_layers(s, net, s.batch);
  net.moments = moments_of(s);
  net.rows = s.batch;
  if (s.validation && net.rows < kEvaluationRows) net.rows = kEvaluationRows;
  carve_weights(net, c, true);
  net.halved = in_halves(s) && !on_tiles(net);
  // Room for halves also where narrower members of the call may be halved.
  carve_transposed(net, c, may_halve(s) ? threads : 1, net.halved ? rank : 0);
  net.grads = may_halve(s) ? c.take(2 * net.block) : s.clip ? c.take(net.block) : nullptr;
  net.snapshot = c.take(net.block * (1 + net.moments));
  carve_rows(s, net, c, true);
  long rows = round_up(net.rows, VL);
  net.losses = c.take(rows);
  net.scale = c.take(rows);
  net.labels = c.take(rows * net.layer[net.layers - 1].gradient_stride + kPanel);  // rows as those of the logits
  for (auto& index : net.index) index = c.take<int32_t>(kOrdered > rows ? kOrdered : rows);
  net.partial = c.take<double>(net.block / kPartialBlock);
  const long sums = weight_sums(net, s.batch, threads);
  net.weight_sums = c.take(sums * threads) + sums * rank;
  carve_factors(net, c, threads, rank, s.batch);
  return c.used();
}

// Where weight (i, o) lies in the layer's packed weights.
INLINE long packed(const Layer& l, long i, long o) {
  if (l.narrow) {
    long first = i / kPanel * kPanel, width = panel_width(i, l.in_padded);
    return first * l.out + o * width + (i - first);
  }
  long first = o / kPanel * kPanel;
  return first * l.in_padded + i * panel_width(o, l.out_padded) + (o - first);
}

// The caller's leaves into block `which` of the packed state, or back.
template <bool In>
void convert(Net& net, const Leaves& leaves, int which) {
  const auto copied = [](float* at, float* line, long n) __attribute__((always_inline)) {
    if (In) __builtin_memcpy(at, line, n * 4); else __builtin_memcpy(line, at, n * 4);
  };
  for (int k = 0; k < net.layers; k++) {
    Layer& l = net.layer[k];
    float *weight = l.weight + which * net.block, *bias = l.bias + which * net.block;
    float* flat = leaves.weight[k];
    for (long i = 0; l.narrow && i < l.in; i++) {
      for (long o = 0; o < l.out; o++) copied(weight + packed(l, i, o), flat + i * l.leaf_stride + o, 1);
    }
    for (long c = 0; !l.narrow && c < l.out; c += kPanel) {
      const long width = panel_width(c, l.out_padded), n = l.out - c < kPanel ? l.out - c : kPanel;
      float *at = weight + packed(l, 0, c), *line = flat + c;
      for (long i = 0; i < l.in; i++, at += width, line += l.leaf_stride) {
        if (n == kPanel) copied(at, line, kPanel);  // of known length it is a few moves
        else copied(at, line, n);
      }
    }
    if (leaves.bias[k]) copied(bias, leaves.bias[k], l.out);
  }
}

// The transposed copy of rows [first, last) of the weights (multiples of VL) in the columns of one panel.
INLINE void copy_transposed(Layer& l, long column, long width, long first, long last) {
  for (long i = first; i < last; i += VL) {
    long panel = i / kPanel * kPanel, panel_w = panel_width(i, l.in_padded);
    for (long c = 0; c < width; c += VL)
      transpose(l.weight + column * l.in_padded + i * width + c, width,
                l.transposed + panel * l.out_padded + (column + c) * panel_w + (i - panel), panel_w);
  }
}

}  // namespace
}  // namespace jaxbm
