#include "calls.h"

#include <algorithm>
#include <cstring>

extern "C" {
XLA_FFI_Error* jaxbm_train(XLA_FFI_CallFrame*);
XLA_FFI_Error* jaxbm_apply(XLA_FFI_CallFrame*);
XLA_FFI_Error* jaxbm_along(XLA_FFI_CallFrame*);
XLA_FFI_Error* jaxbm_shifted(XLA_FFI_CallFrame*);
XLA_FFI_Error* jaxbm_adam(XLA_FFI_CallFrame*);
XLA_FFI_Error* jaxbm_permutation(XLA_FFI_CallFrame*);
}

namespace jaxbm_tests {
namespace {

using Dims = std::vector<int64_t>;

class Builder {
 public:
  Builder(XLA_FFI_Handler* handler, const Members& members, Random& random) : members_(members), random_(random) {
    call_.handler = handler;
    call_.in_place = random.chance(0.5);
  }

  void attribute(const std::string& name, int64_t value) { call_.attributes[name] = {Attribute::kInteger, {value}}; }
  void attribute(const std::string& name, const Dims& values) {
    call_.attributes[name] = {Attribute::kIntegers, values};
  }

  // `value()` gives one element after the other.
  template <class T, class Value>
  void argument(const std::string& name, const Dims& tail, Value value) {
    Dims dims = members_.axes;
    for (int64_t& d : dims)
      if (members_.shares && random_.chance(0.5)) d = 1;
    dims.insert(dims.end(), tail.begin(), tail.end());
    fill<T>(name, dims, value);
  }

  template <class T, class Value>
  void state(const std::string& name, const Dims& tail, Value value) {
    Dims dims = members_.axes;
    dims.insert(dims.end(), tail.begin(), tail.end());
    fill<T>(name, dims, value);
    call_.arg_of_ret.push_back((int)call_.args.size() - 1);
    call_.rets.emplace_back(name, dtype<T>(), dims);
  }

  template <class T>
  void result(const std::string& name, const Dims& tail) {
    Dims dims = members_.axes;
    dims.insert(dims.end(), tail.begin(), tail.end());
    call_.arg_of_ret.push_back(-1);
    call_.rets.emplace_back(name, dtype<T>(), dims);
  }

  Call done() { return std::move(call_); }

 private:
  template <class T>
  static XLA_FFI_DataType dtype() {
    if (std::is_same_v<T, float>) return XLA_FFI_DataType_F32;
    return std::is_same_v<T, int32_t> ? XLA_FFI_DataType_S32 : XLA_FFI_DataType_U32;
  }

  template <class T, class Value>
  void fill(const std::string& name, const Dims& dims, Value value) {
    Array& a = call_.args.emplace_back(name, dtype<T>(), dims);
    for (int64_t i = 0; i < a.elements(); i++) a.as<T>()[i] = (T)value();
  }

  Call call_;
  const Members members_;
  Random& random_;
};

// `value()` for a vector of given entries, over and over, as for members one after the other.
template <class T>
auto entries(const std::vector<T>& values) {
  return [values, i = size_t{0}]() mutable { return values[i++ % values.size()]; };
}

// Start and count of some of `most` rows.
std::vector<int32_t> some_rows(int64_t most, bool whole, Random& random) {
  if (whole) return {0, (int32_t)most};
  const int64_t start = random.between(0, most);
  return {(int32_t)start, (int32_t)random.between(0, most - start)};
}

void add_leaves(Builder& b, const TrainCase& what, const std::string& prefix, float low, float high, Random& random) {
  auto value = [&random, low, high] { return low + (high - low) * (float)random.uniform(); };
  for (size_t i = 0; i + 1 < what.sizes.size(); i++) {
    b.state<float>(prefix + "weight" + std::to_string(i), {what.sizes[i], what.sizes[i + 1]}, value);
    if (what.options & kBias) b.state<float>(prefix + "bias" + std::to_string(i), {what.sizes[i + 1]}, value);
  }
}

void add_rows(Builder& b, const TrainCase& what, const std::string& suffix, int64_t rows, bool weighted,
              bool class_weighted, bool indexed, Random& random) {
  const int64_t outputs = what.sizes.back();
  b.argument<float>("x" + suffix, {rows, what.sizes[0]}, [&] { return random.symmetric(2); });
  if (what.loss == jaxbm::kSoftmaxIntegerLabels)
    b.argument<int32_t>("labels" + suffix, {rows}, [&] { return random.between(0, outputs - 1); });
  else
    b.argument<float>("labels" + suffix, what.options & kLabels2d ? Dims{rows, outputs} : Dims{rows},
                      [&] { return (float)random.uniform(); });
  if (weighted) b.argument<float>("weights" + suffix, {rows}, [&] { return random.between(0, 3); });
  if (class_weighted)
    b.argument<float>("class weights" + suffix, {std::max<int64_t>(2, outputs)}, [&] { return random.between(0, 3); });
  if (indexed)
    b.argument<int32_t>("rows" + suffix, {rows ? what.picked : 0}, [&] { return random.between(0, rows - 1); });
}

void add_attributes(Builder& b, const TrainCase& what) {
  b.attribute("lead", (int64_t)what.members.axes.size());
  b.attribute("sizes", what.sizes);
  b.attribute("activations", what.activations);
  b.attribute("loss", what.loss);
  b.attribute("optimizer", what.optimizer);
  b.attribute("options", what.options);
  b.attribute("batch_size", what.batch);
  b.attribute("threads", what.threads);
}

std::vector<int32_t> limits_of(const TrainCase& what, Random& random) {
  auto most = [&what](int64_t rows, bool indexed) { return indexed && rows ? what.picked : rows; };
  std::vector<int32_t> limits{what.stop, what.epochs, what.patience};
  const bool validation = what.options & kValidation;
  for (int32_t v : some_rows(most(what.rows, what.options & kIndexed), what.whole_table, random)) limits.push_back(v);
  for (int32_t v : some_rows(validation ? most(what.validation_rows, what.options & kValidationIndexed) : 0,
                             what.whole_table, random))
    limits.push_back(v);
  return limits;
}

Dims random_sizes(Random& random) {
  static const Dims around{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 65};
  Dims sizes;
  for (int64_t i = random.between(2, random.chance(0.2) ? 7 : 4); i > 0; i--) sizes.push_back(random.one_of(around));
  if (random.chance(0.4)) sizes.back() = random.between(1, 5);
  return sizes;
}

Dims random_activations(size_t layers, Random& random) {
  Dims codes;
  for (size_t i = 1; i < layers; i++) codes.push_back(random.between(0, jaxbm::kActivations - 1));
  return codes;
}

// Weights and biases that are read alone.
template <class Case>
void add_layers(Builder& b, const Case& what, Random& random) {
  for (size_t i = 0; i + 1 < what.sizes.size(); i++) {
    b.argument<float>("weight" + std::to_string(i), {what.sizes[i], what.sizes[i + 1]},
                      [&] { return random.symmetric(0.5); });
    if (what.bias)
      b.argument<float>("bias" + std::to_string(i), {what.sizes[i + 1]}, [&] { return random.symmetric(0.5); });
  }
}

Members random_members(Random& random) {
  Members m;
  for (int64_t i = random.chance(0.5) ? 0 : random.between(1, 3); i > 0; i--)
    m.axes.push_back(random.chance(0.03) ? 0 : random.between(1, 3));
  return m;
}

// Which options can stand together.
void settle_options(TrainCase& t, Random& random) {
  const bool one_output = t.sizes.back() == 1;
  if (t.loss == jaxbm::kSoftmaxIntegerLabels) t.options &= ~kLabels2d;
  else if (t.loss == jaxbm::kSoftmaxCrossEntropy || !one_output || random.chance(0.3)) t.options |= kLabels2d;
  else t.options &= ~kLabels2d;
  if (t.options & kLabels2d) t.options &= ~(kClassWeighted | kValidationClassWeighted);
}

}  // namespace

TrainCase random_train(Random& random) {
  TrainCase t;
  t.sizes = random_sizes(random);
  t.activations = random_activations(t.sizes.size() - 1, random);
  t.loss = random.between(0, jaxbm::kLosses - 1);
  t.optimizer = random.between(0, 1);
  t.options = random.between(0, (1 << kOptionBits) - 1);
  settle_options(t, random);
  t.rows = random.chance(0.05) ? 0 : random.between(1, 40);
  t.validation_rows = random.chance(0.1) ? 0 : random.between(1, 20);
  t.picked = random.chance(0.1) ? 0 : random.between(1, 30);
  t.batch = random.chance(0.1) ? int64_t{1} << 30 : random.between(1, 20);
  t.threads = random.between(0, 4);
  t.history = (int32_t)random.between(0, 3);
  t.stop = (int32_t)random.between(-1, 4);
  t.epochs = (int32_t)random.between(0, 4);
  t.patience = (int32_t)random.between(0, 2);
  t.count = random.chance(0.1) ? INT32_MAX : (int32_t)random.between(0, 100);
  t.rates = random.chance(0.5) ? 1 : random.between(1, 50);
  t.whole_table = random.chance(0.5);
  t.members = random_members(random);
  return t;
}

ApplyCase random_apply(Random& random) {
  ApplyCase a;
  a.sizes = random_sizes(random);
  a.activations = random_activations(a.sizes.size() - 1, random);
  a.bias = random.chance(0.7);
  a.indexed = random.chance(0.5);
  a.whole_table = random.chance(0.5);
  a.rows = random.chance(0.1) ? 0 : random.chance(0.02) ? 2100 : random.between(1, 300);
  a.picked = random.chance(0.1) ? 0 : random.between(1, 300);
  a.threads = random.between(0, 4);
  a.members = random_members(random);
  return a;
}

AlongCase random_along(Random& random) {
  static const std::vector<int64_t> straight{jaxbm::kRelu, jaxbm::kLeakyRelu, jaxbm::kIdentity};
  AlongCase a;
  a.sizes = random_sizes(random);
  a.activations = random_activations(a.sizes.size() - 1, random);
  a.first = random.one_of(straight);
  a.bias = random.chance(0.7);
  a.evenly = random.chance(0.5);
  a.rows = random.chance(0.1) ? 0 : random.between(1, 150);
  a.values = random.chance(0.1) ? 256 : random.between(1, 40);
  a.threads = random.between(0, 4);
  a.members = random_members(random);
  return a;
}

ShiftedCase random_shifted(Random& random) {
  ShiftedCase s;
  s.sizes = random_sizes(random);
  s.activations = random_activations(s.sizes.size() - 1, random);
  s.first = random.between(0, jaxbm::kActivations - 1);
  s.bias = random.chance(0.7);
  s.each = random.chance(0.7);
  s.rows = random.chance(0.1) ? 0 : random.chance(0.05) ? 600 : random.between(1, 150);
  s.groups = random.between(1, 3);
  s.cases_of_group = random.between(1, 4);
  s.features = random.between(1, 3);
  s.threads = random.between(0, 4);
  s.members = random_members(random);
  return s;
}

Call train_call(const TrainCase& what, Random& random) {
  Builder b(jaxbm_train, what.members, random);
  add_attributes(b, what);
  b.state<int32_t>("clock", {7}, entries<int32_t>({what.count, 0, 0, 0, 0, 1, 1}));
  b.state<float>("best_value", {}, [] { return __builtin_inff(); });
  b.state<float>("loss", {what.history}, [] { return 0.f; });
  if (what.options & kValidation) b.state<float>("val_loss", {what.history}, [] { return 0.f; });
  add_leaves(b, what, "", -0.5f, 0.5f, random);
  if (what.optimizer == jaxbm::kAdam || what.options & kMomentum) add_leaves(b, what, "mu_", -0.1f, 0.1f, random);
  if (what.optimizer == jaxbm::kAdam) add_leaves(b, what, "nu_", 0, 0.1f, random);
  if (what.options & kEarlyStopping) add_leaves(b, what, "best_", 0, 0, random);
  b.argument<int32_t>("limits", {7}, entries(limits_of(what, random)));
  // b1, b2, eps, eps_root, weight_decay, momentum, l2, clip_norm, keep_scale, min_delta, huber_delta
  b.argument<float>("numbers", {11},
                    entries<float>({0.9f, 0.999f, 1e-8f, 0, 0.01f, 0.9f, 1e-4f, 1.f, 1.25f, 1e-4f, 1.f}));
  // a key, and the bits below which a unit is dropped: one in five
  b.argument<uint32_t>("words", {3}, entries<uint32_t>({(uint32_t)random.bits(), (uint32_t)random.bits(),
                                                      858993459}));
  b.argument<float>("learning_rate", {what.rates}, [&] { return 0.001f + 0.01f * (float)random.uniform(); });
  if (what.options & kWidths) {
    std::vector<int32_t> widths(what.sizes.begin(), what.sizes.end());
    for (size_t i = 1; i + 1 < widths.size(); i++) widths[i] = (int32_t)random.between(1, widths[i]);
    b.argument<int32_t>("widths", {(int64_t)widths.size()}, entries(widths));
  }
  add_rows(b, what, "", what.rows, what.options & kWeighted, what.options & kClassWeighted, what.options & kIndexed,
           random);
  if (what.options & kValidation)
    add_rows(b, what, "_val", what.validation_rows, what.options & kValidationWeighted,
             what.options & kValidationClassWeighted, what.options & kValidationIndexed, random);
  return b.done();
}

Call apply_call(const ApplyCase& what, Random& random) {
  Builder b(jaxbm_apply, what.members, random);
  b.attribute("lead", (int64_t)what.members.axes.size());
  b.attribute("sizes", what.sizes);
  b.attribute("activations", what.activations);
  b.attribute("bias", what.bias);
  b.attribute("indexed", what.indexed);
  b.attribute("threads", what.threads);
  const int64_t visited = what.indexed && what.rows ? what.picked : what.indexed ? 0 : what.rows;
  b.argument<int32_t>("limits", {2}, entries(some_rows(visited, what.whole_table, random)));
  b.argument<float>("x", {what.rows, what.sizes[0]}, [&] { return random.symmetric(2); });
  add_layers(b, what, random);
  if (what.indexed) b.argument<int32_t>("rows", {visited}, [&] { return random.between(0, what.rows - 1); });
  b.result<float>("logits", {visited, what.sizes.back()});
  return b.done();
}

// The attributes of a network that is taken from behind its first layer on.
template <class Case>
static void add_behind(Builder& b, const Case& what) {
  b.attribute("lead", (int64_t)what.members.axes.size());
  b.attribute("sizes", what.sizes);
  b.attribute("activations", what.activations);
  b.attribute("first", what.first);
  b.attribute("bias", what.bias);
  b.attribute("threads", what.threads);
}

Call along_call(const AlongCase& what, Random& random) {
  Builder b(jaxbm_along, what.members, random);
  add_behind(b, what);
  std::vector<float> ascending;
  for (int64_t g = 0; g < what.values; g++)
    ascending.push_back(what.evenly ? -2 + 0.1f * (float)g
                                    : (g ? ascending.back() : -2) + 0.2f * (float)random.uniform());
  b.argument<float>("values", {what.values}, entries(ascending));
  b.argument<float>("slope", {what.sizes[0]}, [&] { return random.chance(0.1) ? 0.f : random.symmetric(2); });
  b.argument<float>("base", {what.rows, what.sizes[0]}, [&] { return random.symmetric(2); });
  add_layers(b, what, random);
  b.result<float>("logits", {what.rows, what.values, what.sizes.back()});
  return b.done();
}

Call shifted_call(const ShiftedCase& what, Random& random) {
  Builder b(jaxbm_shifted, what.members, random);
  add_behind(b, what);
  const int64_t cases = what.groups * what.cases_of_group;
  b.argument<float>("amounts", {cases, what.features, what.each ? what.rows : 1}, [&] { return random.symmetric(2); });
  b.argument<float>("directions", {what.groups, what.features, what.sizes[0]}, [&] { return random.symmetric(2); });
  b.argument<float>("base", {what.sizes[0], what.rows}, [&] { return random.symmetric(2); });
  add_layers(b, what, random);
  b.result<float>("logits", {cases, what.rows, what.sizes.back()});
  return b.done();
}

Call adam_call(const std::vector<int64_t>& lengths, int32_t count, bool nesterov, Random& random,
               const Members& members) {
  Builder b(jaxbm_adam, members, random);
  b.attribute("lead", (int64_t)members.axes.size());
  b.attribute("nesterov", nesterov);
  b.argument<int32_t>("count", {}, [&] { return count; });
  // b1, b2, eps, eps_root, weight_decay, learning rate
  b.argument<float>("numbers", {6}, entries<float>({0.9f, 0.999f, 1e-8f, 0, 0.01f, 0.003f}));
  for (size_t i = 0; i < lengths.size(); i++) {
    const std::string leaf = std::to_string(i);
    b.argument<float>("gradient" + leaf, {lengths[i]}, [&] { return random.symmetric(1); });
    b.state<float>("parameter" + leaf, {lengths[i]}, [&] { return random.symmetric(1); });
    b.state<float>("mu" + leaf, {lengths[i]}, [&] { return random.symmetric(0.1f); });
    b.state<float>("nu" + leaf, {lengths[i]}, [&] { return 0.1f * (float)random.uniform(); });
  }
  return b.done();
}

Call permutation_call(int64_t rows, const Members& members, Random& random) {
  Builder b(jaxbm_permutation, members, random);
  b.attribute("lead", (int64_t)members.axes.size());
  b.argument<uint32_t>("words", {2}, [&] { return (uint32_t)random.bits(); });
  b.result<int32_t>("order", {rows});
  return b.done();
}

namespace {

Array part(const Array& a, const std::vector<int64_t>& place) {
  const size_t lead = place.size();
  std::vector<int64_t> dims = a.dims;
  std::fill(dims.begin(), dims.begin() + (std::ptrdiff_t)lead, 1);
  Array one(a.name, a.dtype, dims);
  int64_t offset = 0;
  for (size_t i = 0; i < lead; i++) offset = offset * a.dims[i] + (a.dims[i] == 1 ? 0 : place[i]);
  if (one.bytes()) std::memcpy(one.data, a.as<char>() + (size_t)offset * one.bytes(), one.bytes());
  return one;
}

}  // namespace

Call alone(const Call& call, const std::vector<int64_t>& place) {
  Call one = call;
  for (Array& a : one.args) a = part(a, place);
  for (Array& a : one.rets) a = part(a, place);
  return one;
}

Call resumed(const Call& call, int32_t stop) {
  Call next = call;
  for (size_t i = 0; i < call.rets.size(); i++)
    if (call.arg_of_ret[i] >= 0) next.args[(size_t)call.arg_of_ret[i]] = call.rets[i];
  Array& limits = next.arg("limits");
  for (int64_t i = 0; i < limits.elements(); i += 7) limits.as<int32_t>()[i] = stop;
  return next;
}

}  // namespace jaxbm_tests
