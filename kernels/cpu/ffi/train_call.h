// A call of the training handler: its buffers taken and checked, and what a member finds in them.
#pragma once
#include <algorithm>

#include "ffi/checks.h"
#include "ffi/rows.h"

namespace jaxbm {

// Bits of the attribute `options`, in the order of kernels/mlp/train.py.
enum Option {
  kBias = 1, kNesterov = 2, kMomentum = 4, kShuffle = 8, kClip = 16, kDropout = 32, kEarlyStopping = 64,
  kWeighted = 128, kLabels2d = 256, kValidation = 512, kValidationWeighted = 1024, kIndexed = 2048,
  kValidationIndexed = 4096, kBootstrap = 8192, kWidths = 16384, kClassWeighted = 32768,
  kValidationClassWeighted = 65536, kL2OverRows = 131072, kOptions = 262144
};

class TrainCall {
 public:
  TrainCall(ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead, ffi::Span<const int64_t> sizes,
            ffi::Span<const int64_t> activations, int64_t loss, int64_t optimizer, int64_t options, int64_t batch)
      : buffers_(args, rets, lead) {
    set_network(spec_, sizes, activations);
    require_code("loss", loss, kLosses, kLossNames);
    require_code("optimizer", optimizer, kOptimizers, kOptimizerNames);
    require_within("batch_size", batch, 1, 1 << 30);
    require_within("options", options, 0, kOptions - 1);
    auto is = [options](Option o) { return (options & o) != 0; };
    spec_.loss = (int)loss;
    spec_.optimizer = (int)optimizer;
    spec_.bias = is(kBias), spec_.nesterov = is(kNesterov), spec_.momentum = is(kMomentum);
    spec_.shuffle = is(kShuffle), spec_.clip = is(kClip), spec_.dropout = is(kDropout);
    spec_.l2_over_rows = is(kL2OverRows);
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
    rows_.check();
    validation_.check();
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

}  // namespace jaxbm
