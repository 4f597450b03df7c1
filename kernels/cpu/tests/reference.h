// Scalar references: what the kernels compute, one number after the other, in double where they round.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "../kernel.h"

namespace jaxbm_tests {

inline uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// Element i of the swap-or-not permutation of n rows that jaxbm.shuffle documents.
inline uint32_t permuted(const uint32_t* words, uint32_t i, uint32_t n) {
  for (uint32_t round = 0; round < 24; round++) {
    const uint32_t a = mix(words[0] ^ mix(round + 0x9e3779b9u)), salt = mix(words[1] + a), chosen = a ^ mix(salt);
    const uint32_t pivot = (uint32_t)((uint64_t)chosen * n >> 32);
    const uint32_t partner = i > pivot ? pivot - i + n : pivot - i;
    uint32_t bits = ((i > partner ? i : partner) ^ salt) * 0x7feb352du;
    bits = (bits ^ (bits >> 15)) * 0x846ca68bu;
    if (bits >> 31) i = partner;
  }
  return i;
}

inline double activated(int64_t kind, double z) {
  switch (kind) {
    case jaxbm::kRelu: return z > 0 ? z : 0;
    case jaxbm::kLeakyRelu: return z > 0 ? z : 0.01 * z;
    case jaxbm::kElu: return z > 0 ? z : std::expm1(z);
    case jaxbm::kGelu: return z * 0.5 * std::erfc(-z / std::sqrt(2.0));
    case jaxbm::kGeluTanh:
      return z * 0.5 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (z + 0.044715 * z * z * z)));
    case jaxbm::kSilu: return z / (1 + std::exp(-z));
    case jaxbm::kTanh: return std::tanh(z);
    case jaxbm::kSigmoid: return 1 / (1 + std::exp(-z));
    case jaxbm::kSoftplus: return std::log1p(std::exp(z));
    default: return z;
  }
}

// One row through a network: weights [in, out] and biases [out] layer by layer, biases null where there are none.
inline std::vector<double> logits_of(const std::vector<int64_t>& sizes, const std::vector<int64_t>& activations,
                                     const std::vector<const float*>& weights,
                                     const std::vector<const float*>& biases, const float* x) {
  std::vector<double> a(x, x + sizes[0]);
  for (size_t k = 0; k + 1 < sizes.size(); k++) {
    std::vector<double> z((size_t)sizes[k + 1], 0);
    for (size_t o = 0; o < z.size(); o++) {
      for (size_t i = 0; i < a.size(); i++) z[o] += a[i] * weights[k][i * z.size() + o];
      if (biases[k]) z[o] += biases[k][o];
      if (k < activations.size()) z[o] = activated(activations[k], z[o]);
    }
    a = z;
  }
  return a;
}

struct AdamState {
  double w, m, v;
};

// One step of Adam (Kingma and Ba, 2015) with decoupled weight decay; Nesterov as in Optax.
inline AdamState adam(AdamState s, double g, int32_t count, bool nesterov, const float* numbers) {
  const double b1 = numbers[0], b2 = numbers[1], eps = numbers[2], eps_root = numbers[3], decay = numbers[4],
               rate = numbers[5], t = (double)count + 1;
  s.m = b1 * s.m + (1 - b1) * g;
  s.v = b2 * s.v + (1 - b2) * g * g;
  double m = s.m / (1 - std::pow(b1, t));
  if (nesterov) m = b1 * s.m / (1 - std::pow(b1, t + 1)) + (1 - b1) * g / (1 - std::pow(b1, t));
  const double v = s.v / (1 - std::pow(b2, t));
  s.w -= rate * (m / (std::sqrt(v + eps_root) + eps) + decay * s.w);
  return s;
}

}  // namespace jaxbm_tests
