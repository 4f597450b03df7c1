// Activations and losses with their derivatives, as in jaxbm.models.activations and jaxbm.losses.
#pragma once
#include "portable.h"
#include "shape.h"

struct Valued {
  float value, slope;
};

DEVICE float sigmoid(float z) {
  const float e = expf(-fabsf(z)), s = 1.f / (1.f + e);
  return z >= 0.f ? s : e * s;
}

// An activation and its derivative at z; derivatives where it has a kink are JAX's.
template <int Kind>
DEVICE Valued activated(float z) {
  if constexpr (Kind == kRelu) return {z <= 0.f ? 0.f : z, z > 0.f ? 1.f : 0.f};
  if constexpr (Kind == kLeakyRelu) return {z >= 0.f ? z : 0.01f * z, z >= 0.f ? 1.f : 0.01f};
  if constexpr (Kind == kElu) {
    const float e = expm1f(fminf(z, 0.f));
    return {z <= 0.f ? e : z, z > 0.f ? 1.f : e + 1.f};
  }
  if constexpr (Kind == kGelu) {
    const float cdf = 0.5f * erfcf(-0.7071067811865476f * z);
    return {z * cdf, fmaf(z, 0.3989422804014327f * expf(-0.5f * z * z), cdf)};
  }
  if constexpr (Kind == kGeluTanh) {
    const float c = 0.7978845608028654f, d = 0.044715f, z2 = z * z;  // c: sqrt(2 / pi); Hendrycks and Gimpel (2016)
    const float t = tanhf(c * z * fmaf(z2, d, 1.f)), half = fmaf(t, 0.5f, 0.5f);
    return {z * half, fmaf(0.5f * z * (1.f - t * t) * c, fmaf(z2, 3.f * d, 1.f), half)};
  }
  if constexpr (Kind == kSilu) {
    const float s = sigmoid(z);
    return {z * s, s * fmaf(z, 1.f - s, 1.f)};
  }
  if constexpr (Kind == kTanh) {
    const float t = tanhf(z);
    return {t, 1.f - t * t};
  }
  if constexpr (Kind == kSigmoid) {
    const float s = sigmoid(z);
    return {s, s * (1.f - s)};
  }
  if constexpr (Kind == kSoftplus) return {(z < 0.f ? 0.f : z) + log1pf(expf(-fabsf(z))), sigmoid(z)};
  return {z, 1.f};
}

// Whether an activation's slope is kept beside its value until the way back; a kink's follows from the value's sign.
template <int L>
constexpr bool kKeepsSlope = kDropout || kWidths || !(kActivations[L] == kRelu || kActivations[L] == kIdentity);

template <int L>
DEVICE float slope_of(float value) {
  return kActivations[L] == kIdentity || value > 0.f ? 1.f : 0.f;
}

// Losses of one output each; an example's loss is their mean.
DEVICE Valued one_loss(float z, float y, float number) {
  if constexpr (kLoss == kSigmoidCrossEntropy) {
    // As log(1 + e**-|z|) + |z| * (the share of the label on the other side): no difference of like numbers.
    const float size = fabsf(z), e = expf(-size), wrong = z > 0.f ? 1.f - y : y, away = wrong - e / (e + 1.f);
    return {log1pf(e) + (wrong == 0.f ? 0.f : size * wrong), z > 0.f ? away : -away};
  }
  const float e = z - y;
  if constexpr (kLoss == kL2Loss) return {0.5f * e * e, e};
  if constexpr (kLoss == kHuber) {
    const float size = fabsf(e);
    if (size > number) return {0.5f * number * number + (size - number) * number, copysignf(number, e)};
    return {0.5f * e * e, e};
  }
  return {e * e, 2.f * e};
}

constexpr int power_of_two(int n) { return n <= 1 ? 1 : 2 * power_of_two((n + 1) / 2); }
constexpr int kLanesOfRow = 32 / power_of_two(kRowsPadded);  // that share a row of the batch

DEVICE float largest_of_row(float x) {
#pragma unroll
  for (int s = kLanesOfRow / 2; s > 0; s /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, s));
  return x;
}
DEVICE float sum_of_row(float x) {
#pragma unroll
  for (int s = kLanesOfRow / 2; s > 0; s /= 2) x += __shfl_xor_sync(0xffffffffu, x, s);
  return x;
}

struct Sums {
  float loss, weight;
};

// Turns the logits of the warp's rows into gradients, in place; adds this lane's part of the weighted losses and of the
// weights. With weights the gradients lack the division by their sum, which no warp knows alone.
DEVICE void losses(float* batch, const float* class_weight, int classes, float number, int warp, int lane, int parity,
                   int count, Sums& sums) {
  lane = fresh(lane) & 31;
  const int r = lane / kLanesOfRow, g = lane % kLanesOfRow, outputs = r < kRowsPadded ? kOut : 0;
  const bool valid = r < kRows && warp * kRows + r < count;
  float* row = batch + (warp * kRowsPadded + (outputs ? r : 0)) * kStride;
  float* d = row + d_column(kLayers - 1);
  const float* y = row + kTargetColumn + parity * kTargetWidth;
  float weight = valid ? 1.f : 0.f, loss = 0.f;
  if constexpr (kRowWeights) weight = valid ? y[kTargets] : 0.f;
  if constexpr (kClassWeights) {
    const int label = kIntegerLabels ? __float_as_int(y[0]) : static_cast<int>(y[0]);
    if (valid) weight *= class_weight[label < 0 ? 0 : label < classes ? label : classes - 1];
  }
  const float scale = kWeighted ? weight : valid ? 1.f / count : 0.f;
  const bool counts = scale != 0.f;
  if constexpr (kIntegerLabels || kLoss == kSoftmaxCrossEntropy) {
    float top = -INFINITY, total = 0.f, picked = 0.f, mass = 0.f;
    for (int o = g; o < outputs; o += kLanesOfRow) top = fmaxf(top, d[o]);
    top = largest_of_row(top);
    for (int o = g; o < outputs; o += kLanesOfRow) total += expf(d[o] - top);
    total = sum_of_row(total);
    const float log_total = logf(total), each = 1.f / total;
    const int label = kIntegerLabels ? __float_as_int(y[0]) : 0;
    if constexpr (!kIntegerLabels) {
      for (int o = g; o < outputs; o += kLanesOfRow) picked += y[o] * (d[o] - top - log_total), mass += y[o];
      mass = sum_of_row(mass);
      loss = -picked;
    } else if (g == 0 && (label < 0 || label >= kOut)) {
      loss = NAN;  // a label that names no class makes the run non-finite, as in jaxbm.losses
    }
    for (int o = g; o < outputs; o += kLanesOfRow) {
      const float z = d[o] - top, p = expf(z) * each;
      if (kIntegerLabels && o == label) loss = log_total - z;
      d[o] = !counts ? 0.f : kIntegerLabels ? scale * (p - (o == label ? 1.f : 0.f)) : scale * (p * mass - y[o]);
    }
  } else {
    for (int o = g; o < outputs; o += kLanesOfRow) {
      const Valued v = one_loss(d[o], y[o], number);
      loss += v.value;
      d[o] = counts ? scale * (1.f / kOut) * v.slope : 0.f;
    }
    loss *= 1.f / kOut;
  }
  if (weight != 0.f && outputs) sums.loss += weight * loss;  // a zero weight hides even a NaN
  if (g == 0 && outputs) sums.weight += weight;
  __syncwarp();
}
