// XLA FFI handlers: check a call's buffers, bind them to the arithmetic's structs, spread members over threads.
#include <algorithm>

#include "buffers.h"
#include "isa.h"
#include "kernel.h"
#include "pool.h"

#define HANDLER(name) extern "C" __attribute__((visibility("default"))) XLA_FFI_Error* name(XLA_FFI_CallFrame*);
HANDLER(jaxbm_train)
HANDLER(jaxbm_apply)
HANDLER(jaxbm_adam)
HANDLER(jaxbm_permutation)
extern "C" __attribute__((visibility("default"))) const char* jaxbm_isa() { return jaxbm::kernels().name; }

namespace jaxbm {
namespace {

constexpr double kTeamFlops = 2e6;  // of a step; below, meeting twice per step costs more than a second thread gives

template <class Body>
ffi::Error guarded(Body body) {
  try {
    return body();
  } catch (const BadCall& e) {
    return ffi::Error::InvalidArgument(std::string("jaxbm: ") + e.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "jaxbm: not enough memory for the workspace");
  }
}

void require(bool fits, const char* name, const std::string& expected, int64_t got) {
  if (!fits) throw BadCall(std::string(name) + ": expected " + expected + ", got " + std::to_string(got));
}

void require_within(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;  // no text is made of thousands of members that are right
  require(false, name, (least < most ? std::to_string(least) + " to " : "") + std::to_string(most), value);
}

void set_network(Spec& s, ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> activations) {
  const int64_t layers = (int64_t)sizes.size() - 1;
  require_within("number of layers", layers, 1, kMaxLayers);
  require_within("number of activations", (int64_t)activations.size(), layers - 1, layers - 1);
  s.layers = (int)layers;
  for (int64_t i = 0; i <= layers; i++) {
    require_within("size", sizes[i], 1, 1 << 24);
    s.sizes[i] = sizes[i];
  }
  for (int64_t i = 0; i < layers - 1; i++) {
    require_within("activation", activations[i], 0, kActivations - 1);
    s.activation[i] = (int)activations[i];
  }
}

double flops(const Spec& s) {
  double weights = 0;
  for (int i = 0; i < s.layers; i++) weights += (double)s.sizes[i] * s.sizes[i + 1];
  return 6 * weights * s.batch;
}

// How long a team may wait for its helpers, in seconds: a twentieth of what the run takes one thread at 100 GFLOP/s, and
// not for ever.
double patience(const Spec& s, const Run& run) {
  const int64_t epochs = std::max<int64_t>(0, std::min(run.stop, run.epochs) - run.clock->epoch);
  return std::min(5e-3, 0.05 * flops(s) / (double)s.batch * (double)run.train.count * (double)epochs / 1e11);
}

// Bits of the attribute `options`, in the order of kernels/mlp/train.py.
enum Option {
  kBias = 1, kNesterov = 2, kMomentum = 4, kShuffle = 8, kClip = 16, kDropout = 32, kEarlyStopping = 64,
  kWeighted = 128, kLabels2d = 256, kValidation = 512, kValidationWeighted = 1024, kIndexed = 2048,
  kValidationIndexed = 4096, kBootstrap = 8192, kWidths = 16384, kClassWeighted = 32768,
  kValidationClassWeighted = 65536, kOptions = 131072
};

struct LeafParts {
  std::vector<Part<float>> weight, bias;

  Leaves at(const std::vector<int64_t>& place) const {
    Leaves l = {};
    for (size_t i = 0; i < weight.size(); i++) {
      l.weight[i] = weight[i].at(place);
      if (!bias.empty()) l.bias[i] = bias[i].at(place);
    }
    return l;
  }
};

struct RowParts {
  Part<const float> x, weight, class_weight;
  Part<const int32_t> integers, index;
  Part<const float> labels;

  void take(Buffers& b, const Spec& s, const char* name, bool weighted, bool class_weighted, bool indexed) {
    x = b.argument<float>(name, {-1, s.sizes[0]});
    const int64_t n = x.tail[0];
    if (s.loss == kSoftmaxIntegerLabels) integers = b.argument<int32_t>("labels", {n});
    else if (s.labels_2d) labels = b.argument<float>("labels", {n, s.sizes[s.layers]});
    else labels = b.argument<float>("labels", {n});
    if (weighted) weight = b.argument<float>("weights", {n});
    if (class_weighted) class_weight = b.argument<float>("class weights", {std::max<int64_t>(2, s.sizes[s.layers])});
    if (indexed) index = b.argument<int32_t>("rows", {-1});
  }

  // Every integer that is used as an index, looked at once, whoever shares it.
  void check(const Spec& s) const {
    const int64_t classes = s.sizes[s.layers];
    for (int64_t i = 0; integers && i < integers.elements; i++)
      if (integers.data[i] < 0 || integers.data[i] >= classes)
        throw BadCall("labels: expected 0 to " + std::to_string(classes - 1) + ", got " +
                      std::to_string(integers.data[i]) + " at row " + std::to_string(i % x.tail[0]));
    for (int64_t i = 0; index && i < index.elements; i++)
      if (index.data[i] < 0 || index.data[i] >= x.tail[0])
        throw BadCall("rows: expected 0 to " + std::to_string(x.tail[0] - 1) + ", got " +
                      std::to_string(index.data[i]));
  }

  void check_range(const int32_t* range, const char* name) const {
    const int64_t start = range[0], count = range[1], most = index ? index.tail[0] : x ? x.tail[0] : 0;
    if (start < 0 || count < 0 || start > most || count > most - start)
      throw BadCall(std::string(name) + ": rows " + std::to_string(start) + " to " + std::to_string(start + count) +
                    " do not lie within " + std::to_string(most));
  }

  // The rows of a range that was checked.
  Rows at(const std::vector<int64_t>& place, const int32_t* range) const {
    const int64_t start = range[0], count = range[1];
    Rows r = {};
    if (!x) return r;
    r.count = count;
    r.index = index ? index.at(place) + start : nullptr;
    const int64_t skip = index ? 0 : start;  // without an index, rows follow each other
    r.x = x.at(place) + skip * x.tail[1];
    if (integers || labels) r.y = integers ? (const void*)(integers.at(place) + skip)
                   : (const void*)(labels.at(place) + skip * (labels.tail.size() > 1 ? labels.tail[1] : 1));
    r.weight = weight ? weight.at(place) + skip : nullptr;
    return r;
  }

  int64_t scratch() const { return class_weight ? x.tail[0] : 0; }

  // Where members have weights of their own for classes, those of the rows visited are written out when a member's
  // turn comes, into scratch of its thread: `scratch()` floats, however many members there are.
  float* weigh(const std::vector<int64_t>& place, Rows& r, float* memory) const {
    if (!class_weight) return memory;
    const float* of_class = class_weight.at(place);
    const int64_t last = class_weight.tail[0] - 1;
    for (long i = 0; i < r.count; i++) {
      const long row = r.index ? r.index[i] : i;
      const float label = integers ? (float)((const int32_t*)r.y)[row] : ((const float*)r.y)[row];
      const float picked = of_class[label > 0 ? label < (float)last ? (int64_t)label : last : 0];
      memory[row] = r.weight ? r.weight[row] * picked : picked;
    }
    r.weight = memory;
    return memory + scratch();
  }
};

class TrainCall {
 public:
  TrainCall(ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead, ffi::Span<const int64_t> sizes,
            ffi::Span<const int64_t> activations, int64_t loss, int64_t optimizer, int64_t options, int64_t batch)
      : buffers_(args, rets, lead) {
    set_network(spec_, sizes, activations);
    require_within("loss", loss, 0, kLosses - 1);
    require_within("optimizer", optimizer, kSgd, kAdam);
    require_within("batch_size", batch, 1, 1 << 30);
    require_within("options", options, 0, kOptions - 1);
    auto is = [options](Option o) { return (options & o) != 0; };
    spec_.loss = (int)loss;
    spec_.optimizer = (int)optimizer;
    spec_.bias = is(kBias), spec_.nesterov = is(kNesterov), spec_.momentum = is(kMomentum);
    spec_.shuffle = is(kShuffle), spec_.clip = is(kClip), spec_.dropout = is(kDropout);
    spec_.early_stopping = is(kEarlyStopping), spec_.labels_2d = is(kLabels2d), spec_.bootstrap = is(kBootstrap);
    spec_.validation = is(kValidation);
    spec_.weighted = is(kWeighted) || is(kClassWeighted);
    spec_.validation_weighted = is(kValidationWeighted) || is(kValidationClassWeighted);
    const bool of_classes = loss == kSoftmaxIntegerLabels || is(kClassWeighted) || is(kValidationClassWeighted);
    const bool of_outputs = loss == kSoftmaxCrossEntropy || (loss != kSoftmaxIntegerLabels && sizes[spec_.layers] > 1);
    require(!(spec_.labels_2d && of_classes), "labels' axes", "1 for integers and for weights of classes", 2);
    require(spec_.labels_2d || !of_outputs, "labels' axes", "2 for several outputs and for soft classes", 1);
    take_buffers(options);
    spec_.batch = std::min<int64_t>(batch, std::max<int64_t>(1, rows_.index ? rows_.index.tail[0] : rows_.x.tail[0]));
    spec_.rates = rate_.tail[0];
  }

  const Spec& spec() const { return spec_; }
  int64_t members() const { return members_; }

  // Every number of a member's that the arithmetic takes on trust.
  void check(int64_t member) const {
    const auto place = buffers_.place(member);
    const int32_t* limits = limits_.at(place);
    const Clock& clock = *reinterpret_cast<const Clock*>(clock_.at(place));
    check_widths(widths_.at(place));
    require_within("epoch", clock.epoch, 0, INT32_MAX);
    require_within("count", clock.count, 0, INT32_MAX);
    require_within("epochs_run", clock.epochs_run, 0, 1 << 30);  // these count on without a limit of their own
    require_within("wait", clock.wait, 0, 1 << 30);
    rows_.check_range(limits + 3, "rows");
    validation_.check_range(limits + 5, "validation rows");
  }

  // What a checked member has left to do, as multiplications: an order of magnitude is enough.
  double work(int64_t member) const {
    const auto place = buffers_.place(member);
    const int32_t *limits = limits_.at(place), *widths = widths_.at(place);
    const Clock& clock = *reinterpret_cast<const Clock*>(clock_.at(place));
    const double epochs = clock.active ? std::max(0, std::min(limits[0], limits[1]) - clock.epoch) : 0;
    double weights = 0;
    for (int i = 0; i < spec_.layers; i++)
      weights += widths ? (double)widths[i] * widths[i + 1] : (double)spec_.sizes[i] * (double)spec_.sizes[i + 1];
    return epochs * (double)limits[4] * weights;
  }

  // A member that was checked.
  Run run(int64_t member) const {
    const auto place = buffers_.place(member);
    Run r = {};
    r.clock = reinterpret_cast<Clock*>(clock_.at(place));
    r.best_value = best_value_.at(place);
    r.loss = loss_.at(place);
    r.validation_loss = validation_loss_.at(place);
    r.params = params_.at(place), r.first = first_.at(place), r.second = second_.at(place), r.best = best_.at(place);
    const int32_t* limits = limits_.at(place);
    r.stop = std::min<int64_t>(limits[0], loss_.tail[0]);
    r.epochs = limits[1];
    r.patience = limits[2];
    r.widths = widths_.at(place);
    const float* n = numbers_.at(place);
    r.numbers = {n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10]};
    const uint32_t* words = words_.at(place);
    r.words[0] = words[0], r.words[1] = words[1], r.drop_below = words[2];
    r.rate = rate_.at(place);
    r.train = rows_.at(place, limits + 3);
    r.validation = validation_.at(place, limits + 5);
    return r;
  }

  // Bytes beside a run's workspace that `weigh` fills with the weights of the member's rows.
  size_t scratch() const { return (size_t)(rows_.scratch() + validation_.scratch()) * sizeof(float); }

  void weigh(int64_t member, Run& r, float* memory) const {
    if (!scratch()) return;
    const auto place = buffers_.place(member);
    validation_.weigh(place, r.validation, rows_.weigh(place, r.train, memory));
  }

 private:
  void take_buffers(int64_t options) {
    clock_ = buffers_.state<int32_t>("clock", {7});
    best_value_ = buffers_.state<float>("best_value", {});
    loss_ = buffers_.state<float>("loss", {-1});
    if (spec_.validation) validation_loss_ = buffers_.state<float>("val_loss", {loss_.tail[0]});
    take_leaves(params_);
    if (spec_.optimizer == kAdam || spec_.momentum) take_leaves(first_);
    if (spec_.optimizer == kAdam) take_leaves(second_);
    if (spec_.early_stopping) take_leaves(best_);
    limits_ = buffers_.argument<int32_t>("limits", {7});
    numbers_ = buffers_.argument<float>("numbers", {11});
    words_ = buffers_.argument<uint32_t>("words", {3});
    rate_ = buffers_.argument<float>("learning_rate", {-1});
    require(rate_.tail[0] >= 1, "number of learning rates", "at least 1", rate_.tail[0]);
    if (options & kWidths) widths_ = buffers_.argument<int32_t>("widths", {spec_.layers + 1});
    rows_.take(buffers_, spec_, "x", options & kWeighted, options & kClassWeighted, options & kIndexed);
    if (spec_.validation)
      validation_.take(buffers_, spec_, "x_val", options & kValidationWeighted, options & kValidationClassWeighted,
                       options & kValidationIndexed);
    members_ = buffers_.finish();
    rows_.check(spec_);
    validation_.check(spec_);
  }

  void check_widths(const int32_t* widths) const {
    for (int i = 0; widths && i <= spec_.layers; i++) {
      const bool fixed = i == 0 || i == spec_.layers;
      if (widths[i] < (fixed ? spec_.sizes[i] : 1) || widths[i] > spec_.sizes[i])
        throw BadCall("widths: expected " + std::string(fixed ? "" : "1 to ") + std::to_string(spec_.sizes[i]) +
                      " for layer " + std::to_string(i) + ", got " + std::to_string(widths[i]));
    }
  }

  void take_leaves(LeafParts& leaves) {
    for (int i = 0; i < spec_.layers; i++) {
      leaves.weight.push_back(buffers_.state<float>("weight", {spec_.sizes[i], spec_.sizes[i + 1]}));
      if (spec_.bias) leaves.bias.push_back(buffers_.state<float>("bias", {spec_.sizes[i + 1]}));
    }
  }

  Spec spec_ = {};
  Buffers buffers_;
  int64_t members_ = 0;
  Part<int32_t> clock_;
  Part<float> best_value_, loss_, validation_loss_;
  LeafParts params_, first_, second_, best_;
  Part<const int32_t> limits_, widths_;
  Part<const float> numbers_, rate_;
  Part<const uint32_t> words_;
  RowParts rows_, validation_;
};

// Members in the order to start them: the longest first, so that none of them is left to one thread at the end.
std::vector<int64_t> longest_first(const TrainCall& call) {
  std::vector<int64_t> order(call.members());
  std::vector<double> work(call.members());
  for (int64_t m = 0; m < call.members(); m++) order[m] = m, work[m] = call.work(m);
  std::stable_sort(order.begin(), order.end(), [&work](int64_t a, int64_t b) { return work[a] > work[b]; });
  return order;
}

ffi::Error train(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead,
                 ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> activations, int64_t loss,
                 int64_t optimizer, int64_t options, int64_t batch, int64_t threads) {
  return guarded([&] {
    const TrainCall call(args, rets, lead, sizes, activations, loss, optimizer, options, batch);
    const Spec& spec = call.spec();
    const Kernels& chosen = kernels_for(spec, spec.batch);
    for (int64_t m = 0; m < call.members(); m++) call.check(m);
    // 0 threads means as many as pay; a given number is kept to, up to what the pool has.
    const int64_t most = std::max<int64_t>(1, pool.num_threads());
    int64_t wanted = threads > 0 ? std::min(threads, most) : most;
    if (call.members() == 1 && threads <= 0 && flops(spec) < kTeamFlops) wanted = 1;
    const int team = call.members() == 1 ? (int)wanted : 1;
    const size_t bytes = (chosen.train_bytes(&spec, team) + 63) / 64 * 64;
    if (call.members() == 1) {
      Run only = call.run(0);
      char* memory = workspace().get(bytes + call.scratch());
      call.weigh(0, only, (float*)(memory + bytes));
      as_team(pool, wanted, patience(spec, only), [&spec, &chosen, run = only, memory](Team* team, int rank) {
        chosen.train(&spec, &run, memory, team, rank);
      });
      workspace().trim();
      return ffi::Error::Success();
    }
    const std::vector<int64_t> order = longest_first(call);
    auto one = [&spec, &chosen, &call, &order, bytes](long i) {
      Team alone{1, 0, 0};
      // A run has addresses for the most layers there may be, 2 KB: made here, thousands of them cost no memory.
      Run run = call.run(order[i]);
      // An inactive member costs nothing, not even packing its weights.
      if (run.clock->active && run.clock->epoch < std::min(run.stop, run.epochs)) {
        char* memory = workspace().get(bytes + call.scratch());
        call.weigh(order[i], run, (float*)(memory + bytes));
        chosen.train(&spec, &run, memory, &alone, 0);
      } else if (run.clock->epoch < run.stop) {
        run.clock->epoch = (int32_t)run.stop;
      }
    };
    return for_each(pool, (long)call.members(), wanted, one) ? ffi::Error::Success() : throw std::bad_alloc();
  });
}

ffi::Error apply(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead,
                 ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> activations, int64_t bias,
                 int64_t indexed, int64_t threads) {
  return guarded([&] {
    Spec spec = {};
    set_network(spec, sizes, activations);
    Buffers buffers(args, rets, lead);
    const auto limits = buffers.argument<int32_t>("limits", {2});
    RowParts rows;
    rows.x = buffers.argument<float>("x", {-1, spec.sizes[0]});
    std::vector<Part<const float>> weight, offset;
    for (int i = 0; i < spec.layers; i++) {
      weight.push_back(buffers.argument<float>("weight", {spec.sizes[i], spec.sizes[i + 1]}));
      if (bias) offset.push_back(buffers.argument<float>("bias", {spec.sizes[i + 1]}));
    }
    if (indexed) rows.index = buffers.argument<int32_t>("rows", {-1});
    const auto out = buffers.result<float>("logits", {-1, spec.sizes[spec.layers]});
    const int64_t members = buffers.finish(), most = out.tail[0];
    const int64_t chunk = 8 * kEvaluationRows, chunks = (most + chunk - 1) / chunk;
    rows.check(spec);
    std::vector<Rows> visited;
    for (int64_t m = 0; m < members; m++) {
      const auto place = buffers.place(m);
      rows.check_range(limits.at(place), "rows");
      visited.push_back(rows.at(place, limits.at(place)));
      require_within("number of rows", visited[m].count, 0, most);
    }
    const Kernels& chosen = kernels_for(spec, kEvaluationRows);
    const size_t weights = (chosen.weight_bytes(&spec) + 4095) / 64 * 64;
    const size_t bytes = weights + chosen.apply_bytes(&spec);
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      Rows part = visited[i / chunks];
      const int64_t first = i % chunks * chunk, last = std::min(first + chunk, most);
      const int64_t count = std::max<int64_t>(0, std::min<int64_t>(last, part.count) - first);
      float* logits = out.at(place) + first * spec.sizes[spec.layers];
      std::memset(logits + count * spec.sizes[spec.layers], 0,
                  sizeof(float) * (last - first - count) * spec.sizes[spec.layers]);
      if (count == 0) return;
      if (part.index) part.index += first;
      else part.x += first * spec.sizes[0];
      part.count = count;
      Leaves leaves = {};
      for (int k = 0; k < spec.layers; k++) {
        leaves.weight[k] = const_cast<float*>(weight[k].at(place));
        if (bias) leaves.bias[k] = const_cast<float*>(offset[k].at(place));
      }
      char* memory = workspace().get(bytes);
      chosen.apply_pack(&spec, &leaves, memory);
      chosen.apply(&spec, memory, memory + weights, &part, logits);
    };
    const int64_t cores = std::max<int64_t>(1, pool.num_threads());
    return for_each(pool, members * chunks, threads > 0 ? std::min(threads, cores) : cores, one)
               ? ffi::Error::Success()
               : throw std::bad_alloc();
  });
}

ffi::Error adam(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead,
                int64_t nesterov) {
  return guarded([&] {
    Buffers buffers(args, rets, lead);
    const auto count = buffers.argument<int32_t>("count", {});
    const auto numbers = buffers.argument<float>("numbers", {6});
    require(args.size() > 2 && (args.size() - 2) % 4 == 0, "number of arguments", "2, and 4 for each of the leaves",
            (int64_t)args.size());
    const size_t leaves = (args.size() - 2) / 4;
    struct Leaf {
      Part<const float> g;
      Part<float> w, m, v;
      int64_t first_chunk;
    };
    std::vector<Leaf> all(leaves);
    constexpr int64_t chunk = 1 << 15;
    int64_t chunks = 0;
    for (auto& leaf : all) {
      leaf.g = buffers.argument<float>("gradient", {-1});
      const int64_t n = leaf.g.tail[0];
      leaf.w = buffers.state<float>("parameter", {n});
      leaf.m = buffers.state<float>("mu", {n});
      leaf.v = buffers.state<float>("nu", {n});
      leaf.first_chunk = chunks;
      chunks += (n + chunk - 1) / chunk;
    }
    const int64_t members = buffers.finish();
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      const float* n = numbers.at(place);
      Numbers given = {};
      given.b1 = n[0], given.b2 = n[1], given.eps = n[2], given.eps_root = n[3], given.weight_decay = n[4];
      size_t k = leaves - 1;
      while (all[k].first_chunk > i % chunks) k--;
      const Leaf& l = all[k];
      const int64_t at = (i % chunks - l.first_chunk) * chunk, size = std::min(chunk, l.g.tail[0] - at);
      float *w = l.w.at(place) + at, *m = l.m.at(place) + at, *v = l.v.at(place) + at;
      kernels().adam(&given, nesterov != 0, *count.at(place), n[5], size, l.g.at(place) + at, w, m, v, w, m, v);
    };
    return for_each(pool, members * chunks, std::max<int64_t>(1, pool.num_threads()), one) ? ffi::Error::Success()
                                                                                 : throw std::bad_alloc();
  });
}

ffi::Error permutation(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead) {
  return guarded([&] {
    Buffers buffers(args, rets, lead);
    const auto words = buffers.argument<uint32_t>("words", {2});
    const auto out = buffers.result<int32_t>("order", {-1});
    const int64_t members = buffers.finish(), n = out.tail[0], chunk = 1 << 14, chunks = (n + chunk - 1) / chunk;
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      const int64_t first = i % chunks * chunk;
      kernels().permutation(words.at(place), (uint32_t)n, (uint32_t)first, std::min(chunk, n - first),
                            out.at(place) + first);
    };
    return for_each(pool, members * chunks, std::max<int64_t>(1, pool.num_threads()), one) ? ffi::Error::Success()
                                                                                           : throw std::bad_alloc();
  });
}

}  // namespace
}  // namespace jaxbm

namespace ffi = xla::ffi;
using Integers = ffi::Span<const int64_t>;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_train, jaxbm::train,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<Integers>("sizes").Attr<Integers>("activations")
                                  .Attr<int64_t>("loss").Attr<int64_t>("optimizer").Attr<int64_t>("options")
                                  .Attr<int64_t>("batch_size").Attr<int64_t>("threads"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_apply, jaxbm::apply,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<Integers>("sizes").Attr<Integers>("activations")
                                  .Attr<int64_t>("bias").Attr<int64_t>("indexed").Attr<int64_t>("threads"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_adam, jaxbm::adam,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<int64_t>("nesterov"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_permutation, jaxbm::permutation,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead"));
