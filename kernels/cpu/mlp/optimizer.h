// Adam, AdamW and gradient descent on vectors of packed parameters.
#pragma once
#include "kernel.h"
#include "math/simd.h"

namespace jaxbm {
namespace {

// What a step needs, ready to multiply with.
struct Step {
  // Adam: m = b1 m + o1 g; v = b2 v + o2 g**2; w = decay w - (of_m m + of_g g) / (sqrt(c2 v + eps_root) + eps)
  float b1, b2, o1, o2, of_m, of_g, c2, eps_root, eps, decay;
  // The same in fewer operations where of_g and eps_root are zero: v += o2 (g**2 - v); w = decay w - m / (of_root
  // sqrt(v) + of_one)
  float of_root, of_one;
  // Gradient descent: t = g + momentum t; w -= of_trace t + of_gradient g
  float momentum, of_trace, of_gradient;
  float l2;        // twice the penalty's factor
  long to_grads;   // floats from a parameter to its gradient, where gradients are kept
};

// The powers of b1 and b2 that bias correction needs, in double.
struct Decay {
  double b1, b2;

  void start(const Numbers& n, long count) {
    b1 = __builtin_pow((double)n.b1, (double)count);
    b2 = __builtin_pow((double)n.b2, (double)count);
  }
};

INLINE Step adam_step(const Numbers& n, bool nesterov, float rate, Decay& decay) {
  decay.b1 *= n.b1;
  decay.b2 *= n.b2;
  Step s = {};
  double c1 = 1 - decay.b1, next1 = 1 - decay.b1 * n.b1, o1 = 1 - (double)n.b1;
  s.b1 = n.b1;
  s.b2 = n.b2;
  s.o1 = (float)o1;
  s.o2 = (float)(1 - (double)n.b2);
  s.of_m = (float)(nesterov ? rate * (double)n.b1 / next1 : rate / c1);
  s.of_g = (float)(nesterov ? rate * o1 / c1 : 0);
  s.c2 = (float)(1 / (1 - decay.b2));
  s.eps_root = n.eps_root;
  // With eps = 0 a parameter without gradients would be 0 / 0; here it stays as it is.
  s.eps = n.eps > 1.2e-38f ? n.eps : 1.2e-38f;
  s.decay = 1.f - rate * n.weight_decay;
  // A rate of next to nothing would be a division by zero; by infinity, it moves nothing at all.
  const bool moves = !(__builtin_fabs(rate / c1) < 1e-30);
  s.of_root = moves ? (float)(__builtin_sqrt(1 / (1 - decay.b2)) * c1 / rate) : 0.f;
  s.of_one = moves ? (float)(s.eps * c1 / rate) : __builtin_inff();
  if (__builtin_fabsf(s.of_one) < 1.2e-38f) s.of_one = rate < 0 ? -1.2e-38f : 1.2e-38f;
  return s;
}

INLINE Step sgd_step(const Numbers& n, bool nesterov, float rate) {
  Step s = {};
  s.momentum = n.momentum;
  s.of_trace = nesterov ? rate * n.momentum : rate;
  s.of_gradient = nesterov ? rate : 0;
  return s;
}

enum Update { kUpdateAdam, kUpdateAnyAdam, kUpdateTrace, kUpdatePlain, kUpdateKeep };

// Whether kUpdateAdam does it: v += o2 (g**2 - v) would lose a small g**2 beside a v that hardly counts.
INLINE bool common_adam(const Numbers& n, bool nesterov) { return !nesterov && n.eps_root == 0 && n.b2 >= 0.5f; }

// Adam's step in three parts, since each waits long for the one before: for a root, then for a quotient.
struct Moments {
  Vec first, second;
};

template <int Kind>
INLINE Moments adam_moments(Vec g, Vec m, Vec v, const Step& s) {
  m = fma(m, all(s.b1), g * s.o1);
  if constexpr (Kind == kUpdateAdam) return {m, fma(fma(g, g, -v), all(s.o2), v)};
  return {m, fma(v, all(s.b2), g * g * s.o2)};
}

template <int Kind>
INLINE Vec adam_root(Moments now, const Step& s) {
  if constexpr (Kind == kUpdateAdam) return root(now.second);
  return root(fma(now.second, all(s.c2), all(s.eps_root)));
}

template <int Kind>
INLINE Vec adam_quotient(Vec g, Vec m, Vec root, const Step& s) {
  if constexpr (Kind == kUpdateAdam) return m / fma(root, all(s.of_root), all(s.of_one));
  return fma(g, all(s.of_g), m * s.of_m) / (root + s.eps);
}

INLINE Vec adam_weight(Vec w, Vec quotient, const Step& s) { return fma(w, all(s.decay), -quotient); }

// One vector of parameters at `p`; its moments lie `block` and `2 * block` floats further. kUpdateKeep only notes
// the gradient.
template <int Kind>
INLINE void update(float* p, long block, Vec g, const Step& s) {
  if constexpr (Kind == kUpdateKeep) {
    store(p + s.to_grads, g);
  } else if constexpr (Kind == kUpdateAdam || Kind == kUpdateAnyAdam) {
    const Moments now = adam_moments<Kind>(g, load(p + block), load(p + 2 * block), s);
    store(p, adam_weight(load(p), adam_quotient<Kind>(g, now.first, adam_root<Kind>(now, s), s), s));
    store(p + block, now.first);
    store(p + 2 * block, now.second);
  } else if constexpr (Kind == kUpdateTrace) {
    Vec t = fma(load(p + block), all(s.momentum), g);
    store(p + block, t);
    store(p, fma(t, all(-s.of_trace), fma(g, all(-s.of_gradient), load(p))));
  } else {
    store(p, fma(g, all(-s.of_trace), load(p)));
  }
}

}  // namespace
}  // namespace jaxbm
