// The optimizer: what a step multiplies with, and the step of one weight.
#pragma once
#include "portable.h"
#include "shape.h"

// ---- What a step of the optimizer multiplies with ----

// Adam: m = b1 m + o1 g; v = b2 v + o2 g**2; w = decay w - (of_m m + of_g g) / (sqrt(of_v v + eps_root) + eps).
// Gradient descent: t = g + momentum t; w = w - of_m t - of_g g.
struct Step {
  float b1, b2, o1, o2, eps, eps_root, momentum;  // the same in every step
  float of_m, of_g, of_v, decay;
};

// A lane's share of the numbers that change from step to step: those of one step of every 32.
struct Schedule {
  float of_m, of_g, of_v, decay;
};

// 1 - decay**count, as in jaxbm.optimizers.
DEVICE float bias_correction(float decay, float count) { return -expm1f(count * log1pf(decay - 1.f)); }

// The numbers of step `step` of this launch, `before` of which the optimizer had made.
DEVICE Schedule scheduled(const float* numbers, const float* rates, int steps, int step, int before) {
  const float rate = rates[kSchedule && step < steps ? step : 0];
  if constexpr (kOptimizer == kSgd) {
    const bool ahead = kMomentum && kNesterov;
    return {ahead ? rate * numbers[kOfMomentum] : rate, ahead ? rate : 0.f, 0.f, 1.f};
  }
  const float b1 = numbers[kB1], count = static_cast<float>(before + step + 1), c1 = bias_correction(b1, count);
  Schedule s{rate / c1, 0.f, 1.f / bias_correction(numbers[kB2], count), 1.f};
  if constexpr (kNesterov) {
    s.of_m = rate * (b1 / bias_correction(b1, count + 1.f));
    s.of_g = rate * ((1.f - b1) / c1);
  }
  if constexpr (kDecay) s.decay = 1.f - rate * numbers[kWeightDecay];
  return s;
}

DEVICE Step constant_numbers(const float* numbers) {
  Step s{};
  s.b1 = numbers[kB1], s.b2 = numbers[kB2], s.o1 = 1.f - s.b1, s.o2 = 1.f - s.b2;
  s.eps_root = numbers[kEpsRoot], s.momentum = numbers[kOfMomentum];
  s.eps = fmaxf(numbers[kEps], 1.2e-38f);  // with eps = 0 a parameter without gradients stays as it is
  return s;
}

// Hands the step's numbers over, from the lane that has them.
DEVICE void take(Step& h, const Schedule& s, int lane) {
  h.of_m = __shfl_sync(0xffffffffu, s.of_m, lane);
  if constexpr (kNesterov) h.of_g = __shfl_sync(0xffffffffu, s.of_g, lane);
  if constexpr (kAdamState) h.of_v = __shfl_sync(0xffffffffu, s.of_v, lane);
  if constexpr (kDecay) h.decay = __shfl_sync(0xffffffffu, s.decay, lane);
}

// ---- What an owner holds of a tile ----

struct Moments {
  float first[kMoments > 0 ? kTile : 1][4], second[kMoments > 1 ? kTile : 1][4];
};
struct Gradient {
  float of[kTile][4];
};

DEVICE float square_of(const Gradient& gradient) {
  float sum = 0.f;
#pragma unroll
  for (int i = 0; i < kTile; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) sum = fmaf(gradient.of[i][j], gradient.of[i][j], sum);
  return sum;
}

DEVICE void update(float& w, Moments& moments, int i, int j, float g, const Step& h) {
  if constexpr (kAdamState) {
    float &m = moments.first[i][j], &v = moments.second[i][j];
    m = fmaf(h.b1, m, h.o1 * g);
    v = fmaf(h.b2, v, h.o2 * g * g);
    const float size = inverse(root(fmaf(v, h.of_v, h.eps_root)) + h.eps);
    const float step = kNesterov ? fmaf(h.of_g, g, h.of_m * m) : h.of_m * m;
    w = fmaf(-step, size, kDecay ? h.decay * w : w);
  } else if constexpr (kMomentum) {
    float& t = moments.first[i][j];
    t = fmaf(h.momentum, t, g);
    w = fmaf(-h.of_m, t, w);
    if constexpr (kNesterov) w = fmaf(-h.of_g, g, w);
  } else {
    w = fmaf(-h.of_m, g, w);
  }
}
