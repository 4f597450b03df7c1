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
  long values, rows, steps;  // rows: worked on together
  long places;               // where units switch: before value 1, 2, ...; from `values` on, what doesn't switch
  float *ends;               // the values, filled up with infinity
  float *slope, *inverse;    // of each unit, and 1 / slope
  float *gain;               // what a unit's activation gains in slope where it switches, with the values ascending
  float per_value;           // 1 / the distance of the values, where they are evenly spaced; else 0
  float *start;              // products before the first value: of what units are, and of what they gain
  long start_stride;
  int32_t *head, *next;      // head[place]: the last unit found to switch there, and so on by `next`
  float *jumps;              // narrow: [outputs, places, 2, VL], the sums of what switches bring, a row in each lane
  float *gained, *column;    // narrow: [outputs, 2, units], weights times gain, and times slope; [values, VL] outputs
};

INLINE size_t carve_lines(const Spec& s, Lines& l, long values, char* weights, char* memory) {
  Carver for_weights(weights), c(memory);
  l.net = inference_net(s, for_weights, c);
  const Layer& first = l.net.layer[0];
  const long narrow = first.narrow ? first.out : 0;
  l.values = values;
  l.rows = narrow ? VL : rows_along(values);
  l.steps = search_steps(values);
  l.places = values + VL;
  l.ends = c.take(l.steps);
  l.slope = c.take(first.in_padded);
  l.inverse = c.take(first.in_padded);
  l.gain = c.take(first.in_padded);
  l.start_stride = first.narrow ? first.out : stride_for(first.out_padded);
  l.start = c.take(2 * l.rows * l.start_stride + kPanel);
  l.head = c.take<int32_t>(narrow ? 0 : l.rows * l.places);
  l.next = c.take<int32_t>(narrow ? 0 : l.rows * first.in_padded);
  l.jumps = c.take(narrow * l.places * 2 * VL);
  l.gained = c.take(narrow * 2 * first.in_padded);
  l.column = c.take(narrow ? 2 * round_up(values, VL) * VL : 0);
  return c.used();
}

// 1 / the distance of the values, where one that is counted instead of searched for is off by a rounding error.
INLINE float evenly(const Line& line) {
  const long last = line.count - 1;
  const float distance = last > 0 ? (line.values[last] - line.values[0]) / (float)last : 0;
  for (long i = 0; i <= last; i++) {
    const float off = line.values[i] - (line.values[0] + (float)i * distance);
    if (!(__builtin_fabsf(off) < 2e-5f * distance)) return 0;
  }
  return 1 / distance;
}

INLINE void begin_lines(const Line& line, Lines& l) {
  const Layer& first = l.net.layer[0];
  for (long i = 0; i < l.steps; i++) l.ends[i] = i < l.values ? line.values[i] : __builtin_inff();
  l.per_value = evenly(line);
  for (long u = 0; u < first.in_padded; u++) {
    const float slope = u < first.in ? line.slope[u] : 0;
    l.slope[u] = slope;
    l.inverse[u] = slope != 0 ? 1 / slope : 0;
    l.gain[u] = slope >= 0 ? 1 - line.below : line.below - 1;
    for (long o = 0; first.narrow && o < first.out; o++) {
      float* gained = l.gained + o * 2 * first.in_padded + u;
      gained[0] = l.gain[u] * first.weight[packed(first, u, o)];
      gained[first.in_padded] = gained[0] * slope;
    }
  }
}

// How many values come before each unit switches.
INLINE Int count_values(const Lines& l, Vec at) {
  if (l.per_value > 0) {
    const Vec counted = fma(at - l.ends[0], all(l.per_value), all(1.f));
    return __builtin_convertvector(smaller(larger(counted, Vec{}), all((float)l.values)), Int);
  }
  float end[VL];
  int32_t place[VL] = {};
  store(end, at);
  for (long half = l.steps / 2; half; half /= 2)
    for (int i = 0; i < VL; i++) place[i] += l.ends[place[i] + half - 1] <= end[i] ? (int32_t)half : 0;
  const Int found = *(const IntUnaligned*)place, most = (Int){} + (int32_t)l.values;
  return found < most ? found : most;
}

// Units of one row where the feature is zero, `z`: what they are before the first value, what they gain; and where
// they switch: visit(first unit, how many, their places, z).
template <class Visit>
INLINE void begin_row(Lines& l, float below, const float* z, long row, Visit visit) {
  const Layer& first = l.net.layer[0];
  float *is = first.input + 2 * row * first.input_stride, *gains = is + first.input_stride;
  for (long c = 0; c < first.in_padded; c += VL) {
    const long units = first.in - c < VL ? first.in - c : VL;
    const Vec from = units < VL ? load_first(z + c, units) : load(z + c), slope = load(l.slope + c);
    const Vec never = select(from > 0.f, all(-__builtin_inff()), all(__builtin_inff()));
    const Int before = count_values(l, select(slope == 0.f, never, -from * load(l.inverse + c)));
    const Int active = slope >= 0.f ? before == 0 : before > 0;
    store(is + c, select(active, from, below != 0 ? from * below : keep_nan(from, Vec{})));
    store(gains + c, select(active, slope, slope * below));
    int32_t place[VL];
    *(IntUnaligned*)place = (before > 0) & (before < (int32_t)l.values) ? before : lanes() + (int32_t)l.values;
    visit(c, units, place, from);
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

INLINE void begin_wide_row(Lines& l, float below, const float* z, long row) {
  int32_t *head = l.head + row * l.places, *next = l.next + row * l.net.layer[0].in_padded;
  __builtin_memset(head, -1, l.values * sizeof(int32_t));
  begin_row(l, below, z, row, [&](long c, long units, const int32_t* place, Vec) __attribute__((always_inline)) {
    for (long i = 0; i < units; i++) {
      next[c + i] = head[place[i]];
      head[place[i]] = (int32_t)(c + i);
    }
  });
}

// A row's outputs of the first product at all values, from row `row * values` of `out` on.
template <bool Relu>
INLINE void wide_row(const Lines& l, const float* z, long row, float* out, long stride) {
  const Layer& first = l.net.layer[0];
  const float *is = l.start + 2 * row * l.start_stride, *gains = is + l.start_stride;
  const int32_t *head = l.head + row * l.places, *next = l.next + row * first.in_padded;
  in_panels(first.out_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    Vec a[NV], b[NV];
    UNROLL for (int n = 0; n < NV; n++) {
      a[n] = load(is + c + n * VL) + load(first.bias + c + n * VL);
      b[n] = load(gains + c + n * VL);
    }
    float* to = out + row * l.values * stride + c;
    for (long g = 0; g < l.values; g++) {
      for (int32_t u = head[g]; u >= 0; u = next[u]) {
        const float* weight = first.weight + c * first.in_padded + u * width;
        const Vec from = all(l.gain[u] * z[u]), slope = all(l.gain[u] * l.slope[u]);
        UNROLL for (int n = 0; n < NV; n++) {
          a[n] = fma(from, load(weight + n * VL), a[n]);
          b[n] = fma(slope, load(weight + n * VL), b[n]);
        }
      }
      UNROLL for (int n = 0; n < NV; n++) {
        const Vec sum = fma(b[n], all(l.ends[g]), a[n]);
        store(to + g * stride + n * VL, Relu ? rectified(sum) : sum);
      }
    }
  });
}

// The same of a last layer with few outputs, for up to VL rows side by side.
INLINE void narrow_rows(Lines& l, float below, const float* base, long rows, float* out) {
  const Layer& first = l.net.layer[0];
  const long by_output = l.places * 2 * VL, padded = round_up(l.values, VL);
  __builtin_memset(l.jumps, 0, first.out * by_output * sizeof(float));
  for (long r = 0; r < rows; r++)
    begin_row(l, below, base + r * first.in, r,
              [&](long c, long units, const int32_t* place, Vec z) __attribute__((always_inline)) {
                for (long o = 0; o < first.out; o++) {
                  const float *gained = l.gained + o * 2 * first.in_padded + c, *slopes = gained + first.in_padded;
                  float from[VL], *jumps = l.jumps + o * by_output + r;
                  store(from, load(gained) * z);
                  for (long i = 0; i < units; i++) {
                    jumps[place[i] * 2 * VL] += from[i];
                    jumps[place[i] * 2 * VL + VL] += slopes[i];
                  }
                }
              });
  start_products(l, rows);
  for (long o = 0; o < first.out; o++) {
    float starts[2][VL] = {};
    for (long r = 0; r < 2 * rows; r++) starts[r % 2][r / 2] = l.start[r * l.start_stride + o];
    Vec a = load(starts[0]) + first.bias[o], b = load(starts[1]);
    const float* jumps = l.jumps + o * by_output;
    for (long g = 0; g < l.values; g++, jumps += 2 * VL) {
      a = a + load(jumps);
      b = b + load(jumps + VL);
      store(l.column + g * VL, fma(b, all(l.ends[g]), a));
    }
    float* by_row = l.column + padded * VL;
    for (long g = 0; g < l.values; g += VL) transpose(l.column + g * VL, VL, by_row + g, padded);
    for (long r = 0; r < rows; r++)
      for (long g = 0; g < l.values; g++) out[(r * l.values + g) * first.out + o] = by_row[r * padded + g];
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
  __builtin_memset(first.input, 0, (net.rows * first.input_stride + kPanel) * sizeof(float));
  float* to = ends ? net.logits : next.input;
  const long stride = ends ? first.gradient_stride : next.input_stride, values = line->count;
  for (long start = 0; start < rows; start += l.rows) {
    const long n = rows - start < l.rows ? rows - start : l.rows;
    const float* z = base + start * first.in;
    if (first.narrow) {
      narrow_rows(l, line->below, z, n, out + start * values * last.out);
      continue;
    }
    for (long r = 0; r < n; r++) begin_wide_row(l, line->below, z + r * first.in, r);
    start_products(l, n);
    for (long r = 0; r < n; r++) {
      if (relu) wide_row<true>(l, z + r * first.in, r, to, stride);
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
