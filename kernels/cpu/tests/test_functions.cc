// Permutation, Adam and inference against scalar references.
#include <algorithm>
#include <cmath>

#include "calls.h"
#include "reference.h"

namespace jaxbm_tests {
namespace {

bool near(double got, double want, double tolerance) {
  return std::fabs(got - want) <= tolerance * std::max(1.0, std::fabs(want));
}

TEST(permutation_is_the_reference_and_a_bijection) {
  Runtime runtime(3);
  Random random(settings.seed);
  for (int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 100, 16383, 16384, 16385, 40000}) {
    const Members members{{2, 3}, true};
    Call call = permutation_call(n, members, random);
    const Outcome outcome = call.run(runtime);
    CHECK(outcome.ok(), outcome.message);
    for (int64_t m = 0; m < 6; m++) {
      const Call one = alone(call, {m / 3, m % 3});
      const int32_t* order = one.rets[0].as<int32_t>();
      std::vector<bool> seen((size_t)n, false);
      bool bijection = true, same = true;
      for (int64_t i = 0; i < n; i++) {
        bijection = bijection && order[i] >= 0 && order[i] < n && !seen[(size_t)order[i]];
        if (bijection) seen[(size_t)order[i]] = true;
        same = same && order[i] == (int32_t)permuted(one.args[0].as<uint32_t>(), (uint32_t)i, (uint32_t)n);
      }
      CHECK(bijection && same, std::to_string(n) + " rows");
    }
  }
}

TEST(adam_is_the_reference) {
  Runtime runtime(3);
  Random random(settings.seed);
  const std::vector<int64_t> lengths{1, 15, 16, 17, 0, 33, 40000, 1 << 15, 0};
  for (int32_t count : {0, 1, 7, 100000}) {
    for (bool nesterov : {false, true}) {
      Call call = adam_call(lengths, count, nesterov, random);
      Call before = call;
      const Outcome outcome = call.run(runtime);
      CHECK(outcome.ok(), outcome.message);
      bool all = true;
      for (size_t k = 0; k < lengths.size(); k++) {
        const std::string leaf = std::to_string(k);
        for (int64_t i = 0; i < lengths[k]; i++) {
          auto at = [i](Array& a) { return a.as<float>()[i]; };
          const AdamState want =
              adam({at(before.arg("parameter" + leaf)), at(before.arg("mu" + leaf)), at(before.arg("nu" + leaf))},
                   at(before.arg("gradient" + leaf)), count, nesterov, before.arg("numbers").as<float>());
          all = all && near(at(call.ret("parameter" + leaf)), want.w, 3e-7) &&
                near(at(call.ret("mu" + leaf)), want.m, 3e-7) && near(at(call.ret("nu" + leaf)), want.v, 3e-7);
        }
      }
      CHECK(all, "count " + std::to_string(count) + (nesterov ? ", Nesterov" : ""));
    }
  }
}

bool is_reference(const ApplyCase& what, Call call) {
  std::vector<const float*> weights, biases;
  for (size_t k = 0; k + 1 < what.sizes.size(); k++) {
    weights.push_back(call.arg("weight" + std::to_string(k)).as<float>());
    biases.push_back(what.bias ? call.arg("bias" + std::to_string(k)).as<float>() : nullptr);
  }
  const int32_t *limits = call.arg("limits").as<int32_t>(), start = limits[0], count = limits[1];
  const int64_t outputs = what.sizes.back(), rows = call.rets[0].elements() / outputs;
  for (int64_t r = 0; r < rows; r++) {
    std::vector<double> want((size_t)outputs, 0);  // rows beyond the range are zero
    if (r < count) {
      const int64_t row = what.indexed ? call.arg("rows").as<int32_t>()[start + r] : start + r;
      const float* x = call.arg("x").as<float>() + row * what.sizes[0];
      want = logits_of(what.sizes, what.activations, weights, biases, x);
    }
    for (int64_t o = 0; o < outputs; o++)
      if (!near(call.rets[0].as<float>()[r * outputs + o], want[(size_t)o], 2e-5)) return false;
  }
  return true;
}

TEST(apply_is_the_reference) {
  Runtime runtime(3);
  Random random(settings.seed);
  for (int i = 0; i < 60; i++) {
    ApplyCase what = random_apply(random);
    what.members.axes = {2};
    std::fill(what.activations.begin(), what.activations.end(), i % jaxbm::kActivations);
    Call call = apply_call(what, random);
    const Outcome outcome = call.run(runtime);
    CHECK(outcome.ok(), outcome.message);
    for (int64_t m : {0, 1}) CHECK(is_reference(what, alone(call, {m})), "case " + std::to_string(i));
  }
}

bool is_reference(const AlongCase& what, Call call) {
  std::vector<const float*> weights, biases;
  for (size_t k = 0; k + 1 < what.sizes.size(); k++) {
    weights.push_back(call.arg("weight" + std::to_string(k)).as<float>());
    biases.push_back(what.bias ? call.arg("bias" + std::to_string(k)).as<float>() : nullptr);
  }
  const int64_t units = what.sizes[0], outputs = what.sizes.back();
  const float *values = call.arg("values").as<float>(), *slope = call.arg("slope").as<float>();
  for (int64_t at = 0; at < what.rows * what.values; at++) {
    const float* base = call.arg("base").as<float>() + at / what.values * units;
    const double t = values[at % what.values];
    std::vector<float> hidden;
    for (int64_t u = 0; u < units; u++) hidden.push_back((float)activated(what.first, base[u] + slope[u] * t));
    const std::vector<double> want = logits_of(what.sizes, what.activations, weights, biases, hidden.data());
    for (int64_t o = 0; o < outputs; o++)
      if (!near(call.rets[0].as<float>()[at * outputs + o], want[(size_t)o], 2e-5)) return false;
  }
  return true;
}

TEST(along_is_the_reference) {
  Runtime runtime(3);
  Random random(settings.seed);
  for (int i = 0; i < 60; i++) {
    AlongCase what = random_along(random);
    what.members.axes = {2};
    Call call = along_call(what, random);
    const Outcome outcome = call.run(runtime);
    CHECK(outcome.ok(), outcome.message);
    for (int64_t m : {0, 1}) CHECK(is_reference(what, alone(call, {m})), "case " + std::to_string(i));
  }
}

bool is_reference(const ShiftedCase& what, Call call) {
  std::vector<const float*> weights, biases;
  for (size_t k = 0; k + 1 < what.sizes.size(); k++) {
    weights.push_back(call.arg("weight" + std::to_string(k)).as<float>());
    biases.push_back(what.bias ? call.arg("bias" + std::to_string(k)).as<float>() : nullptr);
  }
  const int64_t units = what.sizes[0], outputs = what.sizes.back(), rows = what.rows;
  const float *base = call.arg("base").as<float>(), *amounts = call.arg("amounts").as<float>(),
              *directions = call.arg("directions").as<float>();
  for (int64_t at = 0; at < what.groups * what.cases_of_group * rows; at++) {
    const int64_t k = at / rows, r = at % rows;
    std::vector<float> hidden;
    for (int64_t u = 0; u < units; u++) {
      double z = base[u * rows + r];
      for (int64_t f = 0; f < what.features; f++)
        z += (double)amounts[(k * what.features + f) * (what.each ? rows : 1) + (what.each ? r : 0)] *
             directions[(k / what.cases_of_group * what.features + f) * units + u];
      hidden.push_back((float)activated(what.first, z));
    }
    const std::vector<double> want = logits_of(what.sizes, what.activations, weights, biases, hidden.data());
    for (int64_t o = 0; o < outputs; o++)
      if (!near(call.rets[0].as<float>()[at * outputs + o], want[(size_t)o], 2e-5)) return false;
  }
  return true;
}

TEST(shifted_is_the_reference) {
  Runtime runtime(3);
  Random random(settings.seed);
  for (int i = 0; i < 60; i++) {
    ShiftedCase what = random_shifted(random);
    what.members.axes = {2};
    what.first = i % jaxbm::kActivations;
    Call call = shifted_call(what, random);
    const Outcome outcome = call.run(runtime);
    CHECK(outcome.ok(), outcome.message);
    for (int64_t m : {0, 1}) CHECK(is_reference(what, alone(call, {m})), "case " + std::to_string(i));
  }
}

}  // namespace
}  // namespace jaxbm_tests
