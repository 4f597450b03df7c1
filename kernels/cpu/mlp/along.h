// Logits of rows in which one feature takes value after value while all others stay.
//
// A row's first layer then goes along a line. Where its activation has one kink, each unit switches at most once on the
// way, and between switches the second layer's affine part is itself a line: what it is at all values takes two
// products and a sum for each switch, however many values there are.
#pragma once
#include "mlp/infer.h"

namespace jaxbm {
namespace {

// Rows whose values are worked on together: about as many rows of the layers behind as in `apply`.
INLINE long rows_along(long values) {
  const long rows = kEvaluationRows / values, most = kEvaluationRows / 2;  // two rows of the first product for each
  return rows < 1 ? 1 : rows > most ? most : rows;
}

// The smallest power of two above n.
INLINE long search_steps(long n) {
  long steps = 1;
  while (steps <= n) steps *= 2;
  return steps;
}

// Where a line's work lies. Units are those of the first layer, inputs of `net`, padded to whole vectors.
struct Lines {
  Net net;
  long values, steps;
  float *ends;             // the values, filled up with infinity
  float *slope, *inverse;  // of each unit, and 1 / slope
  float *gain;             // what a unit's activation gains in slope where it switches, with the values ascending
  float *start;            // products before the first value: of what units are, and of what they gain
  long start_stride;
  int32_t *head, *next;    // head[g]: the last unit found to switch between values g - 1 and g, and so on by `next`
};

INLINE size_t carve_lines(const Spec& s, Lines& l, long values, char* weights, char* memory) {
  shape_layers(s, l.net, kEvaluationRows);
  l.net.rows = kEvaluationRows;
  Carver for_weights(weights), c(memory);
  carve_weights(l.net, for_weights, false);
  carve_rows(s, l.net, c, false);
  carve_factors(l.net, c, 1, 0, 0);
  const Layer& first = l.net.layer[0];
  const long rows = rows_along(values);
  l.values = values;
  l.steps = search_steps(values);
  l.ends = c.take(l.steps);
  l.slope = c.take(first.in_padded);
  l.inverse = c.take(first.in_padded);
  l.gain = c.take(first.in_padded);
  l.start_stride = first.narrow ? first.out : stride_for(first.out_padded);
  l.start = c.take(2 * rows * l.start_stride + kPanel);
  l.head = c.take<int32_t>(rows * (values + 1));
  l.next = c.take<int32_t>(rows * first.in_padded);
  return c.used();
}

INLINE void begin_lines(const Line& line, Lines& l) {
  const Layer& first = l.net.layer[0];
  for (long i = 0; i < l.steps; i++) l.ends[i] = i < l.values ? line.values[i] : __builtin_inff();
  for (long u = 0; u < first.in_padded; u++) {
    const float slope = u < first.in ? line.slope[u] : 0;
    l.slope[u] = slope;
    l.inverse[u] = slope != 0 ? 1 / slope : 0;
    l.gain[u] = slope >= 0 ? 1 - line.below : line.below - 1;
  }
}

// How many values come before each unit switches.
INLINE void find_switches(const Lines& l, const float (&at)[VL], int32_t (&place)[VL]) {
  for (int i = 0; i < VL; i++) place[i] = 0;
  for (long half = l.steps / 2; half; half /= 2)
    for (int i = 0; i < VL; i++) place[i] += l.ends[place[i] + half - 1] <= at[i] ? (int32_t)half : 0;
  for (int i = 0; i < VL; i++) place[i] = place[i] < l.values ? place[i] : (int32_t)l.values;
}

// Units of one row where the feature is zero, `z`: what they are before the first value, and what they gain; and where
// they switch.
INLINE void begin_row(Lines& l, float below, const float* z, long row) {
  const Layer& first = l.net.layer[0];
  float *is = first.input + 2 * row * first.input_stride, *gains = is + first.input_stride;
  int32_t *head = l.head + row * (l.values + 1), *next = l.next + row * first.in_padded;
  for (long g = 0; g <= l.values; g++) head[g] = -1;
  for (long c = 0; c < first.in_padded; c += VL) {
    const long units = first.in - c < VL ? first.in - c : VL;
    const Vec from = units < VL ? load_first(z + c, units) : load(z + c), slope = load(l.slope + c);
    const Vec never = select(from > 0.f, all(-__builtin_inff()), all(__builtin_inff()));
    const Vec where = select(slope == 0.f, never, -from * load(l.inverse + c));
    float at[VL];
    int32_t place[VL];
    store(at, where);
    find_switches(l, at, place);
    const Int begins = *(const IntUnaligned*)place == 0;
    const Int active = slope >= 0.f ? begins : ~begins;
    const Vec low = below != 0 ? from * below : keep_nan(from, Vec{});
    store(is + c, select(active, from, low));
    store(gains + c, select(active, slope, slope * below));
    for (long i = 0; i < units; i++) {
      next[c + i] = head[place[i]];
      head[place[i]] = (int32_t)(c + i);
    }
  }
}

INLINE void start_products(const Lines& l, long rows) {
  const Layer& first = l.net.layer[0];
  if (first.narrow) {
    for (long r = 0; r < 2 * rows; r++)
      for (long o = 0; o < first.out; o++) l.start[r * l.start_stride + o] = total(narrow_products(first, r, o));
    return;
  }
  times_panels(first.input, first.input_stride, first.in, first.weight, first.in_padded, first.out_padded, 0, 2 * rows,
               [](long) __attribute__((always_inline)) { return Vec{}; },
               [&](long r, long c, Vec products) __attribute__((always_inline)) {
                 store(l.start + r * l.start_stride + c, products);
               });
}

// Visits the values in turn: switch_unit(unit) for each unit that switches before one, then visit(value's number).
template <class Switch, class Visit>
INLINE void walk(const Lines& l, long row, Switch switch_unit, Visit visit) {
  const int32_t *head = l.head + row * (l.values + 1), *next = l.next + row * l.net.layer[0].in_padded;
  for (long g = 0; g < l.values; g++) {
    if (g)
      for (int32_t u = head[g]; u >= 0; u = next[u]) switch_unit(u);
    visit(g);
  }
}

// A row's outputs of the first product at all values, from row `row * values` of `out` on.
template <bool Relu>
INLINE void wide_row(const Lines& l, const float* z, long row, float* out, long stride) {
  const Layer& first = l.net.layer[0];
  const float *is = l.start + 2 * row * l.start_stride, *gains = is + l.start_stride;
  in_panels(first.out_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    Vec a[NV], b[NV];
    UNROLL for (int n = 0; n < NV; n++) {
      a[n] = load(is + c + n * VL) + load(first.bias + c + n * VL);
      b[n] = load(gains + c + n * VL);
    }
    float* to = out + row * l.values * stride + c;
    walk(
        l, row,
        [&](int32_t u) __attribute__((always_inline)) {
          const float* weight = first.weight + c * first.in_padded + u * width;
          const Vec from = all(l.gain[u] * z[u]), slope = all(l.gain[u] * l.slope[u]);
          UNROLL for (int n = 0; n < NV; n++) {
            a[n] = fma(from, load(weight + n * VL), a[n]);
            b[n] = fma(slope, load(weight + n * VL), b[n]);
          }
        },
        [&](long g) __attribute__((always_inline)) {
          const Vec t = all(l.ends[g]);
          UNROLL for (int n = 0; n < NV; n++) {
            const Vec sum = fma(b[n], t, a[n]);
            store(to + g * stride + n * VL, Relu ? rectified(sum) : sum);
          }
        });
  });
}

INLINE void narrow_row(const Lines& l, const float* z, long row, float* out) {
  const Layer& first = l.net.layer[0];
  const float *is = l.start + 2 * row * l.start_stride, *gains = is + l.start_stride;
  for (long o = 0; o < first.out; o++) {
    float a = is[o] + first.bias[o], b = gains[o];
    float* to = out + row * l.values * first.out + o;
    walk(
        l, row,
        [&](int32_t u) __attribute__((always_inline)) {
          const long panel = u / kPanel * kPanel;
          const long width = first.in_padded - panel < kPanel ? first.in_padded - panel : kPanel;
          const float gained = l.gain[u] * first.weight[panel * first.out + o * width + u - panel];
          a += gained * z[u];
          b += gained * l.slope[u];
        },
        [&](long g) __attribute__((always_inline)) { to[g * first.out] = a + b * l.ends[g]; });
  }
}

size_t along_bytes(const Spec* s, long values) {
  Lines l = {};
  return carve_lines(*s, l, values, nullptr, nullptr);
}

// out [rows, values, outputs]; `base` [rows, units] is what the first layer's units are where the feature is zero.
void along(const Spec* s, const char* weights, char* workspace, const Line* line, const float* base, long rows,
           float* out) {
  FlushToZero scope;
  TileScope tiles;
  Lines l = {};
  carve_lines(*s, l, line->count, const_cast<char*>(weights), workspace);
  begin_lines(*line, l);
  Net& net = l.net;
  const Layer &first = net.layer[0], &last = net.layer[net.layers - 1];
  const bool ends = net.layers == 1, relu = !ends && s->activation[0] == kRelu;
  Layer& next = net.layer[ends ? 0 : 1];
  float* to = ends ? net.logits : next.input;
  const long stride = ends ? first.gradient_stride : next.input_stride, values = line->count;
  for (long start = 0; start < rows; start += rows_along(values)) {
    const long n = rows - start < rows_along(values) ? rows - start : rows_along(values);
    const float* z = base + start * first.in;
    for (long r = 0; r < n; r++) begin_row(l, line->below, z + r * first.in, r);
    start_products(l, n);
    for (long r = 0; r < n; r++) {
      if (first.narrow) narrow_row(l, z + r * first.in, r, to);
      else if (relu) wide_row<true>(l, z + r * first.in, r, to, stride);
      else wide_row<false>(l, z + r * first.in, r, to, stride);
    }
    if (!ends) {
      if (!relu) activate(s->activation[0], next, 0, n * values);
      forward(*s, net, nullptr, {n * values, 0, n * values, nullptr, {0, 1}}, 1);
    }
    for (long r = 0; r < n * values; r++)
      __builtin_memcpy(out + (start * values + r) * last.out, net.logits + r * last.gradient_stride,
                       last.out * sizeof(float));
  }
}

}  // namespace
}  // namespace jaxbm
