// Forward and backward through the layers, for the rows [first, last) of a batch.
#pragma once
#include "math/shuffle.h"
#include "mlp/activations.h"
#include "mlp/net.h"
#include "mlp/team.h"

namespace jaxbm {
namespace {

// Inverted dropout of jaxbm.models.dense.drop: unit u of row r stays by the stream, r and u alone.
INLINE void drop(const Layer& next, Stream stream, uint32_t below, float keep_scale, long first, long last) {
  for (long r = first; r < last; r++) {
    uint32_t by_row = mix((uint32_t)r ^ stream.a);
    for (long c = 0; c < next.in_padded; c += VL) {
      Word unit = (Word)(lanes() + (int32_t)c);
      Word bits = mix((unit ^ by_row) + stream.b);
      Int keep = (Int)(bits >= below);
      float *a = next.input + r * next.input_stride + c, *d = next.slope + r * next.input_stride + c;
      store(a, select(keep, load(a) * keep_scale, Vec{}));
      store(d, select(keep, load(d) * keep_scale, Vec{}));
    }
  }
}

// Rows [first, last) of a [rows, depth] times a matrix in panels of columns, `depth` rows each, with `columns` columns:
// from start(column) on, each vector of it handed to finish(row, column, products).
template <class Start, class Finish>
INLINE void times_panels(const float* a, long stride, long depth, const float* panels, long panel_rows, long columns,
                         long first, long last, Start start, Finish finish) {
  in_panels(columns, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    in_blocks<TILE_ROWS>(first, last, [&](long r, auto rows) __attribute__((always_inline)) {
      constexpr int M = decltype(rows)::value;
      tile<M, NV>(
          depth, a + r * stride, stride, 1, panels + c * panel_rows, width,
          [&](int, int n) __attribute__((always_inline)) { return start(c + n * VL); },
          [&](int i, int n, Vec z) __attribute__((always_inline)) { finish(r + i, c + n * VL, z); });
    });
  });
}

// What is done with a block of products, a row at a time.
template <class Start, class Finish>
struct Finishing {
  Start start;
  Finish finish;
  const float* products;
  long row, column, width, rows;

  long left() const { return rows; }

  INLINE_MEMBER void step() {
    for (long n = 0; n < width; n += VL) finish(row, column + n, load(products + n) + start(column + n));
    products += width;
    row++;
    rows--;
  }

  INLINE_MEMBER void end() {
    while (rows > 0) step();
  }
};

// Rows [first, last) and columns [from, to) of a product.
struct Area {
  long first, last, from, to;
};

// The part of a product [rows, columns] that a thread of a team works out on tiles. Where the team shares out columns,
// every panel is split once; what threads there are beyond the panels share rows.
INLINE Area area_of(Share share, long rows, long columns) {
  const long panels = (columns + kPanel - 1) / kPanel;
  int groups = share.size < panels ? share.size : (int)panels;
  while (share.size % groups) groups--;
  const Share by_column{share.rank % groups, groups}, by_row{share.rank / groups, share.size / groups};
  const long pairs = tile_pairs(rows), last = by_row.last(pairs) * kPair, to = by_column.last(panels) * kPanel;
  return {by_row.first(pairs) * kPair, last < rows ? last : rows, by_column.first(panels) * kPanel,
          to < columns ? to : columns};
}

// The same on tiles. While a block of products is multiplied, the one before is finished and the next panel is split.
template <class Start, class Finish>
INLINE void times_panels_on_tiles(const Factors& factors, const float* a, long stride, long depth, const float* panels,
                                  long columns, Area area, Start start, Finish finish) {
  alignas(64) float products[2][kPair * kPanel];
  Finishing<Start, Finish> before{start, finish, nullptr, 0, 0, 0, 0};
  auto splitting = [&](long c) __attribute__((always_inline)) {
    if (c >= area.to) return SplitPanel();
    const long width = panel_width(c, columns);
    return SplitPanel(panels + c * depth, width, depth, width, factors.panel(c));
  };
  int turn = 0;
  for (long first = area.first; first < area.last; first += kRowsOnTiles) {
    const long rows = area.last - first < kRowsOnTiles ? area.last - first : kRowsOnTiles, pairs = tile_pairs(rows);
    split_rows(a + first * stride, stride, rows, depth, factors.left);
    splitting(area.from).end();
    in_panels(area.to, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
      constexpr int NV = decltype(vectors)::value;
      if (c < area.from) return;
      for (long p = 0; p < pairs; p++, turn = !turn) {
        multiply_tiles<NV>(depth, factors.left + 2 * p * block_words(depth), factors.panel(c), nullptr, products[turn],
                           both(before, splitting(c + width).share(p, pairs)));
        before.products = products[turn];
        before.row = first + p * kPair, before.column = c, before.width = width;
        before.rows = rows - p * kPair < kPair ? rows - p * kPair : kPair;
      }
    });
    before.end();
  }
}

// Affine part of layer `l` into `out`, with relu in the same pass where asked.
template <bool Relu>
void affine(const Net& net, const Layer& l, float* out, long out_stride, Area area) {
  auto start = [](long) __attribute__((always_inline)) { return Vec{}; };
  auto finish = [&](long r, long c, Vec products) __attribute__((always_inline)) {
    const Vec z = products + load(l.bias + c);
    store(out + r * out_stride + c, Relu ? rectified(z) : z);
  };
  if constexpr (kTiles) {
    if (l.tiles)
      return times_panels_on_tiles(net.factors, l.input, l.input_stride, l.in_padded, l.weight, l.out_padded, area,
                                   start, finish);
  }
  times_panels(l.input, l.input_stride, l.in, l.weight, l.in_padded, l.out_padded, area.first, area.last, start, finish);
}

// Products of a row's inputs with the weights of output `o`, lane by lane.
INLINE Vec narrow_products(const Layer& l, long r, long o) {
  const float* a = l.input + r * l.input_stride;
  Vec even = {}, odd = {};
  for (long p = 0; p < l.in_padded; p += kPanel) {
    long width = l.in_padded - p < kPanel ? l.in_padded - p : kPanel;
    const float* w = l.weight + p * l.out + o * width;
    even = fma(load(a + p), load(w), even);
    if (width == kPanel) odd = fma(load(a + p + VL), load(w + VL), odd);
  }
  return even + odd;
}

INLINE void affine_narrow(const Layer& l, float* out, long first, long last) {
  for (long o = 0; o < l.out; o++) {
    long r = first;
    for (; r + VL <= last; r += VL) {
      Vec rows[VL];
      UNROLL for (int i = 0; i < VL; i++) rows[i] = narrow_products(l, r + i, o);
      const Vec sums = totals(rows) + l.bias[o];
      if (l.out == 1) store(out + r, sums);
      else for (int i = 0; i < VL; i++) out[(r + i) * l.out + o] = sums[i];
    }
    for (; r < last; r++) out[r * l.out + o] = total(narrow_products(l, r, o)) + l.bias[o];
  }
}

struct Dropout {
  Stream stream;
  uint32_t below;
  float keep_scale;
};

// A batch, and this thread's rows of it.
struct Batch {
  long rows, first, last;
  Team* team;
  Share share;
};

// On tiles the members of a team work on each other's rows, between barriers.
INLINE bool in_common(const Layer& l, const Batch& b) { return l.tiles && b.share.size > 1; }

// This thread's part of a product of the batch with layer `l`.
INLINE Area own_area(const Layer& l, const Batch& b, long columns) {
  return in_common(l, b) ? area_of(b.share, b.rows, columns) : Area{b.first, b.last, 0, columns};
}

// From layer `from` on, whose input is there.
INLINE void forward(const Spec& s, Net& net, const Dropout* dropout, const Batch& b, int from = 0) {
  for (int i = from; i < net.layers; i++) {
    Layer& l = net.layer[i];
    const bool ends = i == net.layers - 1;
    Layer& next = net.layer[ends ? i : i + 1];
    const bool relu = !ends && s.activation[i] == kRelu && !next.slope;
    float* out = ends ? net.logits : next.input;
    const long stride = ends ? l.gradient_stride : next.input_stride;
    if (in_common(l, b)) barrier(b.team);
    if (l.narrow) affine_narrow(l, out, b.first, b.last);
    else if (relu) affine<true>(net, l, out, stride, own_area(l, b, l.out_padded));
    else affine<false>(net, l, out, stride, own_area(l, b, l.out_padded));
    if (in_common(l, b)) barrier(b.team);
    if (ends) return;
    if (!relu) activate(s.activation[i], next, b.first, b.last);
    if (dropout) drop(next, derive(dropout->stream, i), dropout->below, dropout->keep_scale, b.first, b.last);
  }
}

// The gradient of layer `l`'s inputs in their place, from that of its outputs and the weights' transposed copy.
template <bool Relu>
void backward_layer(const Net& net, const Layer& l, Area area) {
  auto start = [](long) __attribute__((always_inline)) { return Vec{}; };
  auto finish = [&](long r, long c, Vec g) __attribute__((always_inline)) {
    float* at = l.input + r * l.input_stride + c;
    if constexpr (Relu) store_where_positive(at, g);
    else store(at, g * load(l.slope + r * l.input_stride + c));
  };
  if constexpr (kTiles) {
    if (l.tiles)
      return times_panels_on_tiles(net.factors, l.gradient, l.gradient_stride, l.out_padded, l.transposed, l.in_padded,
                                   area, start, finish);
  }
  times_panels(l.gradient, l.gradient_stride, l.out, l.transposed, l.narrow ? l.out : l.out_padded, l.in_padded,
               area.first, area.last, start, finish);
}

INLINE void backward(const Net& net, const Layer& l, const Batch& b) {
  barrier(b.team);  // the transposed copy is made, and nobody needs the layer's inputs any more
  const Area area = own_area(l, b, l.in_padded);
  if (l.slope) backward_layer<false>(net, l, area);
  else backward_layer<true>(net, l, area);
  barrier(b.team);
}

}  // namespace
}  // namespace jaxbm
