// Forward and backward through the layers, for the rows [first, last) of a batch.
#pragma once
#include "net.h"
#include "shuffle.h"

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
  switch (kind) {
    case kRelu: return activate_as<kRelu>(next, first, last);
    case kLeakyRelu: return activate_as<kLeakyRelu>(next, first, last);
    case kElu: return activate_as<kElu>(next, first, last);
    case kGelu: return activate_as<kGelu>(next, first, last);
    case kGeluTanh: return activate_as<kGeluTanh>(next, first, last);
    case kSilu: return activate_as<kSilu>(next, first, last);
    case kTanh: return activate_as<kTanh>(next, first, last);
    case kSigmoid: return activate_as<kSigmoid>(next, first, last);
    case kSoftplus: return activate_as<kSoftplus>(next, first, last);
    default: return activate_as<kIdentity>(next, first, last);
  }
}

// Inverted dropout of jaxbm.mlp.drop: unit u of row r stays by the stream, r and u alone.
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

// Affine part of layer `l` into `out`, with relu in the same pass where asked.
template <bool Relu>
void affine(const Layer& l, float* out, long out_stride, long first, long last) {
  in_panels(l.out_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    const float* weight = l.weight + c * l.in_padded;
    in_blocks<TILE_ROWS>(first, last, [&](long r, auto rows) __attribute__((always_inline)) {
      constexpr int M = decltype(rows)::value;
      float* to = out + r * out_stride + c;
      tile<M, NV>(
          l.in, l.input + r * l.input_stride, l.input_stride, 1, weight, width,
          [&](int, int n) __attribute__((always_inline)) { return load(l.bias + c + n * VL); },
          [&](int i, int n, Vec z) __attribute__((always_inline)) {
            store(to + i * out_stride + n * VL, Relu ? rectified(z) : z);
          });
    });
  });
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

INLINE void forward(const Spec& s, Net& net, const Dropout* dropout, long first, long last) {
  for (int i = 0; i < net.layers; i++) {
    Layer& l = net.layer[i];
    if (i == net.layers - 1) {
      if (l.narrow) affine_narrow(l, net.logits, first, last);
      else affine<false>(l, net.logits, l.gradient_stride, first, last);
      return;
    }
    Layer& next = net.layer[i + 1];
    bool relu = s.activation[i] == kRelu && !next.slope;
    if (relu) affine<true>(l, next.input, next.input_stride, first, last);
    else affine<false>(l, next.input, next.input_stride, first, last);
    if (!relu) activate(s.activation[i], next, first, last);
    if (dropout) drop(next, derive(dropout->stream, i), dropout->below, dropout->keep_scale, first, last);
  }
}

// The gradient of layer `l`'s outputs becomes that of the outputs of the layer before, `to`.
template <bool Relu>
void backward_layer(const Layer& l, const Layer& to, long first, long last) {
  in_panels(l.in_padded, [&](long c, long width, auto vectors) __attribute__((always_inline)) {
    constexpr int NV = decltype(vectors)::value;
    const float* weight = l.transposed + c * (l.narrow ? l.out : l.out_padded);
    in_blocks<TILE_ROWS>(first, last, [&](long r, auto rows) __attribute__((always_inline)) {
      constexpr int M = decltype(rows)::value;
      const float* factor = (Relu ? l.input : l.slope) + r * l.input_stride + c;
      float* gradient = to.gradient + r * to.gradient_stride + c;
      tile<M, NV>(
          l.out, l.gradient + r * l.gradient_stride, l.gradient_stride, 1, weight, width,
          [](int, int) __attribute__((always_inline)) { return Vec{}; },
          [&](int i, int n, Vec g) __attribute__((always_inline)) {
            Vec f = load(factor + i * l.input_stride + n * VL);
            store(gradient + i * to.gradient_stride + n * VL, Relu ? select(f > 0.f, g, Vec{}) : g * f);
          });
    });
  });
}

INLINE void backward(Net& net, long first, long last) {
  for (int i = net.layers - 1; i > 0; i--) {
    Layer &l = net.layer[i], &to = net.layer[i - 1];
    if (l.slope) backward_layer<false>(l, to, first, last);
    else backward_layer<true>(l, to, first, last);
  }
}

}  // namespace
}  // namespace jaxbm
