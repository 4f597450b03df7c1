// Logits of rows whose first layer's affine part is shifted along a few directions, in many cases.
//
// Features that change cost one product each for every unit, however many features there are. A block of rows goes
// through all cases and all layers while it is in the cache, side by side in vectors, a unit after the other: nothing is
// filled up, however few units a layer has.
#pragma once
#include "mlp/infer.h"

namespace jaxbm {
namespace {

constexpr long kShiftedVectors = 4, kShiftedRows = kShiftedVectors * VL;  // of a block
constexpr int kShiftedOutputs = VL >= 16 ? 6 : 3;                         // of a layer that are summed up at once

// Where the work of shifted rows lies. Everything that rows have is [units, rows of a block].
struct Shifted {
  float* weight[kMaxLayers];  // outputs in panels, each [inputs, outputs of the panel]
  float *base, *amounts, *values[2];
};

INLINE size_t carve_shifted(const Spec& s, Shifted& w, long features, char* memory) {
  Carver c(memory);
  long widest = round_up(s.sizes[s.layers], VL);  // outputs are turned round in whole vectors
  for (int i = 0; i <= s.layers; i++) widest = s.sizes[i] > widest ? s.sizes[i] : widest;
  for (int i = 0; i < s.layers; i++) w.weight[i] = c.take(s.sizes[i] * s.sizes[i + 1]);
  w.base = c.take(s.sizes[0] * kShiftedRows);
  w.amounts = c.take(features * kShiftedRows);
  for (float*& values : w.values) values = c.take(widest * kShiftedRows);
  return c.used();
}

INLINE void pack_panels(const float* weight, long in, long out, float* to) {
  in_blocks<kShiftedOutputs>(0, out, [&](long o, auto outputs) {
    constexpr int N = decltype(outputs)::value;
    for (long i = 0; i < in; i++, to += N)
      for (int n = 0; n < N; n++) to[n] = weight[i * out + o + n];
  });
}

// The first n numbers of each of `units` lines, `stride` apart; the rest of a block is zero.
INLINE void take_lines(const float* from, long stride, long units, long n, float* to) {
  for (long u = 0; u < units; u++, from += stride, to += kShiftedRows) {
    if (n < kShiftedRows) __builtin_memset(to, 0, kShiftedRows * sizeof(float));
    __builtin_memcpy(to, from, n * sizeof(float));
  }
}

// tanh to 3e-7, of numbers that are no NaN: this project's own rational fit, weighted until its errors were even.
INLINE Vec rational_tanh(Vec x) {
  const float above[] = {0.9999999793651989f, 0.13381015166918156f, 0.003495576081864933f, 2.0608898821489432e-05f,
                         1.3354433691250528e-08f};
  const float below[] = {1.f, 0.4671433073554821f, 0.025876935375134517f, 0.0003285615764319743f, 7.776459525168858e-07f};
  const Vec z = smaller(larger(x, all(-9.f)), all(9.f)), square = z * z;
  return z * polynomial(square, above) / polynomial(square, below);
}

template <int Kind>
INLINE Vec unit_value(Vec z) {
  if constexpr (Kind == kRelu) return rectified(z);
  else if constexpr (Kind == kTanh) return rational_tanh(z);
  else return activated<Kind>(z).value;
}

template <int Kind>
void activate_block(float* values, long units) {
  for (long i = 0; i < units * kShiftedRows; i += VL) store(values + i, unit_value<Kind>(load(values + i)));
}

INLINE void activate_block(int kind, float* values, long units) {
#define JAXBM_CASE(name, Kind) \
  case Kind: return activate_block<Kind>(values, units);
  switch (kind) { JAXBM_ACTIVATIONS(JAXBM_CASE) }
#undef JAXBM_CASE
}

template <int Kind>
void shift_units(const Shifted& w, const float* directions, long units, long features, float* to) {
  constexpr int V = kShiftedVectors;
  for (long u = 0; u < units; u++, to += kShiftedRows) {
    Vec z[V];
    UNROLL for (int v = 0; v < V; v++) z[v] = load(w.base + u * kShiftedRows + v * VL);
    for (long f = 0; f < features; f++) {
      const Vec direction = all(directions[f * units + u]);
      UNROLL for (int v = 0; v < V; v++) z[v] = fma(direction, load(w.amounts + f * kShiftedRows + v * VL), z[v]);
    }
    UNROLL for (int v = 0; v < V; v++) store(to + v * VL, unit_value<Kind>(z[v]));
  }
}

INLINE void shift_units(int kind, const Shifted& w, const float* directions, long units, long features, float* to) {
#define JAXBM_CASE(name, Kind) \
  case Kind: return shift_units<Kind>(w, directions, units, features, to);
  switch (kind) { JAXBM_ACTIVATIONS(JAXBM_CASE) }
#undef JAXBM_CASE
}

// A layer's affine part of a block; `bias` may be null.
INLINE void affine_block(const float* from, const float* weight, const float* bias, long in, long out, float* to) {
  constexpr int V = kShiftedVectors;
  in_blocks<kShiftedOutputs>(0, out, [&](long o, auto outputs) __attribute__((always_inline)) {
    constexpr int N = decltype(outputs)::value;
    Vec sums[N][V];
    UNROLL for (int n = 0; n < N; n++)
      UNROLL for (int v = 0; v < V; v++) sums[n][v] = all(bias ? bias[o + n] : 0.f);
    for (long i = 0; i < in; i++, weight += N) {
      Vec x[V];
      UNROLL for (int v = 0; v < V; v++) x[v] = load(from + i * kShiftedRows + v * VL);
      UNROLL for (int n = 0; n < N; n++)
        UNROLL for (int v = 0; v < V; v++) sums[n][v] = fma(x[v], all(weight[n]), sums[n][v]);
    }
    UNROLL for (int n = 0; n < N; n++)
      UNROLL for (int v = 0; v < V; v++) store(to + (o + n) * kShiftedRows + v * VL, sums[n][v]);
  });
}

// `n` rows of a block [outputs, rows] as [rows, outputs].
INLINE void give_rows(const float* values, long outputs, long n, float* out) {
  if (outputs == 1) {
    __builtin_memcpy(out, values, n * sizeof(float));
    return;
  }
  for (long r = 0; r < n; r += VL)
    for (long o = 0; o < outputs; o += VL) {
      float turned[VL * VL];
      transpose(values + o * kShiftedRows + r, kShiftedRows, turned, VL);
      const long width = outputs - o < VL ? outputs - o : VL, rows = n - r < VL ? n - r : VL;
      for (long i = 0; i < rows; i++) {
        float* to = out + (r + i) * outputs + o;
        if (width < VL) store_first(to, load(turned + i * VL), width);
        else store(to, load(turned + i * VL));
      }
    }
}

size_t shifted_bytes(const Spec* s, long features) {
  Shifted w = {};
  return carve_shifted(*s, w, features, nullptr);
}

// out [cases, all rows, outputs], for `rows` of them from `start` on.
void shifted(const Spec* s, const Leaves* leaves, char* workspace, const Shift* shift, long start, long rows,
             float* out) {
  FlushToZero scope;
  Shifted w = {};
  carve_shifted(*s, w, shift->features, workspace);
  for (int i = 0; i < s->layers; i++) pack_panels(leaves->weight[i], s->sizes[i], s->sizes[i + 1], w.weight[i]);
  const long features = shift->features, units = s->sizes[0], outputs = s->sizes[s->layers];
  for (const long end = start + rows; start < end; start += kShiftedRows) {
    const long n = end - start < kShiftedRows ? end - start : kShiftedRows;
    take_lines(shift->base + start, shift->rows, units, n, w.base);
    for (long k = 0; k < shift->cases; k++) {
      const float* amounts = shift->amounts + k * features * (shift->each ? shift->rows : 1);
      if (shift->each) take_lines(amounts + start, shift->rows, features, n, w.amounts);
      else
        for (long i = 0; i < features * kShiftedRows; i++) w.amounts[i] = amounts[i / kShiftedRows];
      const float* directions = shift->directions + k / shift->cases_of_group * features * units;
      float *from = w.values[0], *to = w.values[1];
      shift_units(shift->activation, w, directions, units, features, from);
      for (int i = 0; i < s->layers; i++) {
        affine_block(from, w.weight[i], leaves->bias[i], s->sizes[i], s->sizes[i + 1], to);
        if (i + 1 < s->layers) activate_block(s->activation[i], to, s->sizes[i + 1]);
        float* const before = from;
        from = to, to = before;
      }
      give_rows(from, outputs, n, out + (k * shift->rows + start) * outputs);
    }
  }
}

}  // namespace
}  // namespace jaxbm
