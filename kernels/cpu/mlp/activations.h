// Activations and their derivatives; `vocabulary.h` names them.
#pragma once
#include "math/functions.h"
#include "mlp/net.h"

namespace jaxbm {
namespace {

struct Activated {
  Vec value, slope;
};

// An activation and its derivative at z; derivatives where it has a kink are JAX's.
template <int Kind>
INLINE Activated activated(Vec z) {
  const Vec one = all(1.f);
  if constexpr (Kind == kRelu) return {select(z <= 0.f, Vec{}, z), select(z > 0.f, one, Vec{})};
  if constexpr (Kind == kLeakyRelu) return {select(z >= 0.f, z, z * 0.01f), select(z >= 0.f, one, all(0.01f))};
  if constexpr (Kind == kElu) {
    Vec e = expm1(smaller(z, Vec{}));
    return {select(z > 0.f, z, keep_nan(z, e)), select(z > 0.f, one, e + 1.f)};
  }
  if constexpr (Kind == kGelu) {
    Vec cdf = normal_cdf(z);
    return {z * cdf, fma(z, exp(z * z * -0.5f) * 0.3989422804014327f, cdf)};
  }
  if constexpr (Kind == kGeluTanh) {
    const float c = 0.7978845608028654f, d = 0.044715f;  // sqrt(2 / pi); Hendrycks and Gimpel (2016)
    Vec z2 = z * z;
    Vec t = tanh(z * c * fma(z2, all(d), one));
    Vec half = fma(t, all(0.5f), all(0.5f));
    return {z * half, fma(z * 0.5f * (1.f - t * t) * c, fma(z2, all(3 * d), one), half)};
  }
  if constexpr (Kind == kSilu) {
    Vec s = sigmoid(z);
    return {z * s, s * fma(z, 1.f - s, one)};
  }
  if constexpr (Kind == kTanh) {
    Vec t = tanh(z);
    return {t, 1.f - t * t};
  }
  if constexpr (Kind == kSigmoid) {
    Vec s = sigmoid(z);
    return {s, s * (1.f - s)};
  }
  if constexpr (Kind == kSoftplus) return {softplus(z), sigmoid(z)};
  return {z, one};
}

template <int Kind>
void activate_as(const Layer& next, long first, long last) {
  for (long r = first; r < last; r++) {
    float* a = next.input + r * next.input_stride;
    float* d = next.slope ? next.slope + r * next.input_stride : nullptr;
    for (long c = 0; c < next.in_padded; c += VL) {
      Activated y = activated<Kind>(load(a + c));
      // Padding must stay zero: a narrow last layer sums over it.
      if (c + VL > next.in) y.value = select(lanes() < (int32_t)(next.in - c), y.value, Vec{});
      store(a + c, y.value);
      if (d) store(d + c, y.slope);
    }
  }
}

INLINE void activate(int kind, const Layer& next, long first, long last) {
#define JAXBM_CASE(name, Kind) \
  case Kind: return activate_as<Kind>(next, first, last);
  switch (kind) { JAXBM_ACTIVATIONS(JAXBM_CASE) }
#undef JAXBM_CASE
}

}  // namespace
}  // namespace jaxbm
