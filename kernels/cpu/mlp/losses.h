// Losses per example, as in jaxbm.losses, and their gradients with respect to the logits.
#pragma once
#include "math/functions.h"
#include "mlp/net.h"

namespace jaxbm {
namespace {

struct Valued {
  Vec value, slope;
};

// Losses of one logit each; an example's loss is their mean.
template <int Kind>
INLINE Valued one_loss(Vec z, Vec y, float delta) {
  if constexpr (Kind == kSigmoidCrossEntropy) {
    // As log(1 + e**-|z|) + |z| * (the share of the label that is on the other side): no difference of like numbers.
    const Vec size = magnitude(z), e = exp(-size), wrong = select(z > 0.f, 1.f - y, y), away = wrong - e / (e + 1.f);
    return {log1p(e) + select(wrong == 0.f, Vec{}, size * wrong), select(z > 0.f, away, -away)};
  }
  Vec e = z - y;
  if constexpr (Kind == kL2Loss) return {e * e * 0.5f, e};
  if constexpr (Kind == kHuber) {
    Vec size = magnitude(e), near = select(size > delta, all(delta), size);
    Vec slope = select(size > delta, select(e > 0.f, all(delta), all(-delta)), e);
    return {near * near * 0.5f + (size - near) * delta, slope};
  }
  return {e * e, e * 2.f};
}

// One output: rows as lanes.
template <int Kind>
void losses_of_one(Net& net, float delta, long first, long last) {
  const Layer& l = net.layer[net.layers - 1];
  for (long r = first; r < last; r += VL) {
    long n = last - r < VL ? last - r : VL;
    // The rows that follow may be another thread's, at work on them.
    auto rows_of = [r, n](const float* p) __attribute__((always_inline)) {
      return n == VL ? load(p + r) : load_first(p + r, n);
    };
    Vec z, y = rows_of(net.labels);
    if (l.narrow) {
      z = rows_of(net.logits);
    } else {
      z = Vec{};
      for (long i = 0; i < n; i++) z[i] = net.logits[(r + i) * l.gradient_stride];
    }
    Valued v = one_loss<Kind>(z, y, delta);
    Vec g = v.slope * rows_of(net.scale);
    if (n == VL) store(net.losses + r, v.value);
    else store_first(net.losses + r, v.value, n);
    if (!l.gradient) continue;
    if (l.narrow) {
      if (n == VL) store(l.gradient + r, g);
      else store_first(l.gradient + r, g, n);
      continue;
    }
    for (long i = 0; i < n; i++) {
      float* to = l.gradient + (r + i) * l.gradient_stride;
      for (long c = 0; c < l.out_padded; c += VL) store(to + c, Vec{});
      to[0] = g[i];
    }
  }
}

// Columns [column, column + VL) of a row of `columns`. Where rows follow each other without padding (`exact`), the
// next one may be another thread's, at work on it.
INLINE Vec load_columns(const float* from, long column, long columns, bool exact) {
  return exact && columns - column < VL ? load_first(from + column, columns - column) : load(from + column);
}

INLINE void store_columns(float* to, Vec x, long column, long columns, bool exact) {
  if (exact && columns - column < VL) store_first(to + column, x, columns - column);
  else store(to + column, x);
}

// Several outputs: columns as lanes.
template <int Kind>
void losses_of_many(Net& net, float delta, long first, long last) {
  const Layer& l = net.layer[net.layers - 1];
  const long C = l.out;
  for (long r = first; r < last; r++) {
    const float *z = net.logits + r * l.gradient_stride, *y = net.labels + r * l.gradient_stride;
    float *g = l.gradient + r * l.gradient_stride, factor = net.scale[r] / (float)C;
    Vec sum = {};
    for (long c = 0; c < C; c += VL) {
      Int real = lanes() < (int32_t)(C - c);
      Valued v = one_loss<Kind>(load_columns(z, c, C, l.narrow), load_columns(y, c, C, l.narrow), delta);
      sum = sum + select(real, v.value, Vec{});
      store_columns(g, select(real, v.slope * factor, Vec{}), c, C, l.narrow);
    }
    net.losses[r] = total(sum) / (float)C;
  }
}

// The largest of a row's logits, lane by lane.
INLINE Vec tops_of_row(const Layer& l, const float* z) {
  const long C = l.out;
  const Vec lowest = all(-__builtin_inff());
  Vec highest = lowest;
  for (long c = 0; c < C; c += VL)
    highest = larger(select(lanes() < (int32_t)(C - c), load_columns(z, c, C, l.narrow), lowest), highest);
  return highest;
}

// exp(z - top) of a row into `g`, with zeros beyond its columns. Returns their sums, lane by lane.
INLINE Vec exponentials(const Layer& l, const float* z, float* g, float top) {
  const long C = l.out;
  Vec sum = {};
  for (long c = 0; c < C; c += VL) {
    Vec e = select(lanes() < (int32_t)(C - c), exp(load_columns(z, c, C, l.narrow) - all(top)), Vec{});
    store_columns(g, e, c, C, l.narrow);
    sum = sum + e;
  }
  return sum;
}

// Softmax cross-entropy: log(sum(exp(z - top))) + top against the labels, soft or one integer. What is one number a
// row (largest logit, sum, logarithm) costs as much for one row as for VL, so these are taken together.
template <bool Integer>
void softmax_losses(Net& net, long first, long last) {
  const Layer& l = net.layer[net.layers - 1];
  const long C = l.out;
  for (long start = first; start < last; start += VL) {
    const long n = last - start < VL ? last - start : VL;
    const float* logits = net.logits + start * l.gradient_stride;
    float* gradient = l.gradient + start * l.gradient_stride;
    Vec row[VL] = {};
    float top[VL], inverse[VL], log_whole[VL];
    for (long i = 0; i < n; i++) row[i] = tops_of_row(l, logits + i * l.gradient_stride);
    store(top, largests(row));
    for (long i = 0; i < VL; i++)
      row[i] = i < n ? exponentials(l, logits + i * l.gradient_stride, gradient + i * l.gradient_stride, top[i])
                     : all(1.f);
    const Vec whole = totals(row);
    store(inverse, 1.f / whole);
    store(log_whole, log(whole));
    for (long i = 0; i < n; i++) {
      const long r = start + i;
      const float* z = logits + i * l.gradient_stride;
      float* g = gradient + i * l.gradient_stride;
      const float scale = net.scale[r];
      if (Integer) {
        const int32_t label = ((const int32_t*)net.labels)[r];
        // A label that names no class makes the run non-finite, as in jaxbm.losses.
        net.losses[r] = label >= 0 && label < C ? -(z[label] - top[i] - log_whole[i]) : __builtin_nanf("");
        for (long c = 0; c < C; c += VL) {
          Vec y = select(lanes() + (int32_t)c == label, all(1.f), Vec{});
          store_columns(g, (load_columns(g, c, C, l.narrow) * inverse[i] - y) * scale, c, C, l.narrow);
        }
        continue;
      }
      const float* labels = net.labels + r * l.gradient_stride;
      Vec picked = {}, mass = {};
      for (long c = 0; c < C; c += VL) {
        Int real = lanes() < (int32_t)(C - c);
        Vec y = select(real, load_columns(labels, c, C, l.narrow), Vec{});
        Vec log_p = select(real, load_columns(z, c, C, l.narrow) - all(top[i]) - log_whole[i], Vec{});
        picked = picked + y * log_p;
        mass = mass + y;
      }
      const float share = total(mass) * inverse[i];
      net.losses[r] = -total(picked);
      for (long c = 0; c < C; c += VL) {
        Int real = lanes() < (int32_t)(C - c);
        Vec y = load_columns(labels, c, C, l.narrow), p = load_columns(g, c, C, l.narrow) * share;
        store_columns(g, select(real, (p - y) * scale, Vec{}), c, C, l.narrow);
      }
    }
  }
}

template <int Kind>
INLINE void losses_as(Net& net, float delta, long first, long last) {
  if constexpr (Kind == kSoftmaxCrossEntropy || Kind == kSoftmaxIntegerLabels)
    softmax_losses<Kind == kSoftmaxIntegerLabels>(net, first, last);
  else if (net.layer[net.layers - 1].out == 1) losses_of_one<Kind>(net, delta, first, last);
  else losses_of_many<Kind>(net, delta, first, last);
}

// Each row's loss into net.losses, and net.scale[row] times its gradient into the last layer's.
INLINE void losses(const Spec& s, Net& net, float delta, long first, long last) {
#define JAXBM_CASE(name, Kind) \
  case Kind: return losses_as<Kind>(net, delta, first, last);
  switch (s.loss) { JAXBM_LOSSES(JAXBM_CASE) }
#undef JAXBM_CASE
}

}  // namespace
}  // namespace jaxbm
