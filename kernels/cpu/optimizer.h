// Adam, AdamW and gradient descent on vectors of packed parameters.
#pragma once
#include "kernel.h"
#include "simd.h"

namespace jaxbm {
namespace {

// What a step needs, ready to multiply with.
struct Step {
  // Adam: m = b1 m + o1 g; v = b2 v + o2 g**2; w = decay w - (of_m m + of_g g) / (sqrt(c2 v + eps_root) + eps)
  float b1, b2, o1, o2, of_m, of_g, c2, eps_root, eps, decay;
  // Gradient descent: t = g + momentum t; w -= of_trace t + of_gradient g
  float momentum, of_trace, of_gradient;
  float l2;        // twice the penalty's factor
  long to_grads;   // floats from a parameter to its gradient, where gradients are kept
  float scale;     // of the gradient, when clipped
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
  return s;
}

INLINE Step sgd_step(const Numbers& n, bool nesterov, float rate) {
  Step s = {};
  s.momentum = n.momentum;
  s.of_trace = nesterov ? rate * n.momentum : rate;
  s.of_gradient = nesterov ? rate : 0;
  return s;
}

enum Update { kUpdateAdam, kUpdateTrace, kUpdatePlain, kUpdateKeep };

INLINE void adam_vector(Vec g, Vec w0, Vec m0, Vec v0, Vec& w, Vec& m, Vec& v, const Step& s) {
  m = fma(m0, all(s.b1), g * s.o1);
  v = fma(v0, all(s.b2), g * g * s.o2);
  Vec numerator = fma(g, all(s.of_g), m * s.of_m);
  Vec denominator = root(fma(v, all(s.c2), all(s.eps_root))) + s.eps;
  w = fma(w0, all(s.decay), -(numerator / denominator));
}

// One vector of parameters at `p`; its moments lie `block` and `2 * block` floats further. kUpdateKeep only notes
// the gradient, for clipping.
template <int Kind>
INLINE void update(float* p, long block, Vec g, const Step& s) {
  if constexpr (Kind == kUpdateKeep) {
    store(p + s.to_grads, g);
  } else if constexpr (Kind == kUpdateAdam) {
    Vec w, m, v;
    adam_vector(g, load(p), load(p + block), load(p + 2 * block), w, m, v, s);
    store(p, w);
    store(p + block, m);
    store(p + 2 * block, v);
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
