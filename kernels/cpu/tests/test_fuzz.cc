// Random calls of the handlers: valid ones must succeed, damaged ones must succeed or give an error, and those that
// were damaged beyond doubt must give one. A memory fault is for the sanitizer to see.
#include <algorithm>
#include <cstring>

#include "calls.h"

namespace jaxbm_tests {
namespace {

enum Verdict { kEither, kMustFail };

constexpr int64_t kOdd[] = {-1, 0, 1, 2, 3, 16, 17, 33, 255, 4096, 1 << 24, (1 << 24) + 1, INT32_MAX, INT32_MIN,
                            int64_t{1} << 31, int64_t{1} << 32, INT64_MAX, INT64_MIN};

int64_t odd(Random& random) { return kOdd[random.between(0, std::size(kOdd) - 1)]; }

Call random_call(Random& random) {
  const double kind = random.uniform();
  if (kind < 0.6) return train_call(random_train(random), random);
  if (kind < 0.7) return apply_call(random_apply(random), random);
  if (kind < 0.77) return shifted_call(random_shifted(random), random);
  if (kind < 0.85) return along_call(random_along(random), random);
  if (kind < 0.9) {
    std::vector<int64_t> lengths;
    for (int64_t i = random.between(1, 4); i > 0; i--)
      lengths.push_back(random.chance(0.1) ? 0 : random.chance(0.03) ? 40000 : random.between(1, 70));
    return adam_call(lengths, (int32_t)random.between(0, 1000), random.chance(0.5), random);
  }
  Members members;
  for (int64_t i = random.between(0, 3); i > 0; i--) members.axes.push_back(random.between(0, 3));
  return permutation_call(random.chance(0.05) ? 40000 : random.between(0, 100), members, random);
}

// ---- damage: each changes one thing of a call ----

Array& any_array(Call& call, Random& random) {
  const int64_t i = random.between(0, (int64_t)(call.args.size() + call.rets.size()) - 1);
  return i < (int64_t)call.args.size() ? call.args[(size_t)i] : call.rets[(size_t)i - call.args.size()];
}

// Another shape or dtype, with random bytes: integers that are indices will be wild ones.
void remake(Array& a, XLA_FFI_DataType dtype, const std::vector<int64_t>& dims, Random& random) {
  a = Array(a.name, dtype, dims);
  for (size_t i = 0; i < a.bytes(); i++) a.as<unsigned char>()[i] = (unsigned char)random.bits();
}

Verdict change_dtype(Call& call, Random& random) {
  Array& a = any_array(call, random);
  static const std::vector<XLA_FFI_DataType> others{
      XLA_FFI_DataType_PRED, XLA_FFI_DataType_S8,  XLA_FFI_DataType_S32, XLA_FFI_DataType_S64, XLA_FFI_DataType_U32,
      XLA_FFI_DataType_F16,  XLA_FFI_DataType_F32, XLA_FFI_DataType_F64, XLA_FFI_DataType_INVALID};
  const XLA_FFI_DataType before = a.dtype, after = random.one_of(others);
  remake(a, after, a.dims, random);
  return before == after ? kEither : kMustFail;
}

Verdict change_shape(Call& call, Random& random) {
  Array& a = any_array(call, random);
  std::vector<int64_t> dims = a.dims;
  const size_t at = (size_t)random.between(0, std::max<int64_t>(0, (int64_t)dims.size() - 1));
  Verdict verdict = kEither;
  if (dims.empty() || random.chance(0.3)) {
    dims.insert(dims.begin() + (std::ptrdiff_t)at, random.between(0, 3));
    verdict = kMustFail;  // the rank is always checked
  } else if (random.chance(0.3)) {
    dims.erase(dims.begin() + (std::ptrdiff_t)at);
    verdict = kMustFail;
  } else {
    dims[at] = random.chance(0.3) ? 0 : std::max<int64_t>(0, dims[at] + random.between(-2, 2));
  }
  remake(a, a.dtype, dims, random);
  return verdict;
}

Verdict change_count(Call& call, Random& random) {
  std::vector<Array>& arrays = random.chance(0.6) || call.rets.empty() ? call.args : call.rets;
  const size_t at = (size_t)random.between(0, (int64_t)arrays.size() - 1);
  if (random.chance(0.5)) arrays.erase(arrays.begin() + (std::ptrdiff_t)at);
  else arrays.insert(arrays.begin() + (std::ptrdiff_t)at, Array(arrays[at]));
  return kMustFail;
}

Verdict swap_arguments(Call& call, Random& random) {
  const int64_t last = (int64_t)call.args.size() - 1;
  std::swap(call.args[(size_t)random.between(0, last)], call.args[(size_t)random.between(0, last)]);
  return kEither;
}

Verdict change_attribute(Call& call, Random& random) {
  auto at = call.attributes.begin();
  std::advance(at, random.between(0, (int64_t)call.attributes.size() - 1));
  Attribute& a = at->second;
  const double how = random.uniform();
  if (how < 0.1) {
    call.attributes.erase(at);
    return kMustFail;
  }
  if (how < 0.2) {
    const Attribute::Kind before = a.kind;
    a.kind = (Attribute::Kind)random.between(Attribute::kInteger, Attribute::kText);
    if (a.values.empty()) a.values = {0};
    return a.kind == before ? kEither : kMustFail;
  }
  if (a.kind == Attribute::kInteger) {
    a.values = {random.chance(0.5) ? odd(random) : a.values[0] ^ (int64_t{1} << random.between(0, 14))};
  } else if (how < 0.4 || a.values.empty()) {
    if (a.values.empty() || random.chance(0.3)) a.values.assign((size_t)random.between(0, 40), 1);
    else a.values.pop_back();
  } else {
    a.values[(size_t)random.between(0, (int64_t)a.values.size() - 1)] = odd(random);
  }
  return kEither;
}

Verdict change_integers(Call& call, Random& random) {
  std::vector<Array*> integers;
  for (Array& a : call.args)
    if (a.dtype != XLA_FFI_DataType_F32 && a.elements() > 0 && bytes_of(a.dtype) == 4) integers.push_back(&a);
  if (integers.empty()) return kEither;
  Array& a = *random.one_of(integers);
  const int64_t at = random.between(0, a.elements() - 1);
  a.as<int32_t>()[at] = (int32_t)odd(random);  // a row or a class that there is none of makes results of NaN
  return kEither;
}

Verdict change_floats(Call& call, Random& random) {
  static const std::vector<float> wild{0.f,    -0.f,   1.f,     -1.f,    3e38f,           -3e38f,
                                       1e-40f, -1e20f, 1e-45f, 2e9f, __builtin_inff(), __builtin_nanf("")};
  for (Array& a : call.args)
    if (a.dtype == XLA_FFI_DataType_F32 && a.elements() > 0 && random.chance(0.3))
      a.as<float>()[random.between(0, a.elements() - 1)] = random.one_of(wild);
  return kEither;
}

using Damage = Verdict (*)(Call&, Random&);
const std::vector<Damage> kDamages{change_dtype,     change_shape,    change_count, swap_arguments,
                                   change_attribute, change_integers, change_integers, change_floats};

// ---- judgement ----

struct Counts {
  int64_t valid = 0, damaged = 0, refused = 0, must_fail = 0;
};

// Arguments that no result shares are read only.
void check_arguments_kept(const Call& before, const Call& after) {
  for (size_t i = 0; i < before.args.size(); i++) {
    const bool state =
        std::count(before.arg_of_ret.begin(), before.arg_of_ret.end(), (int)i) > 0 && before.in_place;
    if (!state) CHECK(same_bytes(before.args[i], after.args[i]), current_case + ", " + before.args[i].name);
  }
}

void one_case(int64_t number, std::vector<Runtime*> runtimes, Counts& counts) {
  current_case = "fuzz case " + std::to_string(number) + " of seed " + std::to_string(settings.seed);
  Random random(settings.seed * 0x100000001b3 + (uint64_t)number);
  Call call = random_call(random);
  const bool damaged = random.chance(0.6);
  // One sure damage may be undone or made uncertain by another; only a single one must give an error.
  const int64_t damages = !damaged ? 0 : random.chance(0.7) ? 1 : random.between(2, 3);
  Verdict verdict = kEither;
  for (int64_t i = 0; i < damages && !call.args.empty() && !call.attributes.empty(); i++)
    verdict = random.one_of(kDamages)(call, random);
  const bool must_fail = damages == 1 && verdict == kMustFail;
  const Call before = call;
  const Outcome outcome = call.run(*random.one_of(runtimes));
  counts.valid += !damaged;
  counts.damaged += damaged;
  counts.refused += damaged && !outcome.ok();
  counts.must_fail += must_fail;
  if (!damaged) CHECK(outcome.ok(), current_case + ": " + outcome.message);
  if (must_fail) CHECK(!outcome.ok(), current_case + " had to fail");
  if (!outcome.ok()) CHECK(!outcome.message.empty() && outcome.code == XLA_FFI_Error_Code_INVALID_ARGUMENT,
                           current_case + ": " + outcome.message);
  check_arguments_kept(before, call);
}

TEST(fuzz) {
  Runtime several(3), single(1), none(0), refusing(2);
  refusing.refuses = true;
  const std::vector<Runtime*> runtimes{&several, &several, &several, &single, &none, &refusing};
  Counts counts;
  if (settings.only >= 0) {
    one_case(settings.only, runtimes, counts);
    return;
  }
  for (int64_t i = 0; i < settings.cases; i++) one_case(i, runtimes, counts);
  current_case.clear();
  std::printf("fuzz: seed %llu, %lld valid calls, %lld damaged, of which %lld refused and %lld had to be\n",
              (unsigned long long)settings.seed, (long long)counts.valid, (long long)counts.damaged,
              (long long)counts.refused, (long long)counts.must_fail);
  CHECK(counts.valid >= settings.cases / 3, "too few valid calls");
  CHECK(counts.refused >= settings.cases / 4 && counts.damaged - counts.refused >= settings.cases / 20,
        "damage should be refused often, and survived at times");
  CHECK(counts.must_fail >= settings.cases / 10, "too few certain errors");
}

}  // namespace
}  // namespace jaxbm_tests
