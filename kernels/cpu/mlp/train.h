// A whole training run: epochs, batches, validation and early stopping.
#pragma once
#include "mlp/losses.h"
#include "mlp/order.h"
#include "mlp/weights.h"

namespace jaxbm {
namespace {

void load_state(Net& net, const Run& run) {
  long blocks = 1 + net.moments;
  __builtin_memset(net.params, 0, blocks * net.block * sizeof(float));
  if (net.grads) __builtin_memset(net.grads, 0, (net.halved ? 2 : 1) * net.block * sizeof(float));
  convert<true>(net, run.params, 0);
  if (net.moments > 0) convert<true>(net, run.first, 1);
  if (net.moments > 1) convert<true>(net, run.second, 2);
  // The gather writes real columns only.
  const Layer& l = net.layer[0];
  __builtin_memset(l.input, 0, (round_up(net.rows, VL) * l.input_stride + kPanel) * sizeof(float));
}

void save_state(Net& net, const Run& run) {
  convert<false>(net, run.params, 0);
  if (net.moments > 0) convert<false>(net, run.first, 1);
  if (net.moments > 1) convert<false>(net, run.second, 2);
}

bool all_finite(const float* p, long n) {  // n is a multiple of VL
  Int bad = {};
  for (long i = 0; i < n; i += VL) bad |= ((Int)load(p + i) & 0x7f800000) == 0x7f800000;
  for (int i = 0; i < VL; i++)
    if (bad[i]) return false;
  return true;
}

double weighted_losses(const Net& net, const float* weight, const int32_t* index, long batch) {
  double sum = 0;
  for (long r = 0; r < batch; r++) {
    if (!weight) sum += net.losses[r];
    else if (weight[index[r]] != 0) sum += (double)net.losses[r] * weight[index[r]];
  }
  return sum;
}

template <int Kind>
INLINE void apply_step(const Spec& s, Net& net, const Run& run, Step& step, const Batch& b) {
  if (s.clip || net.halved) update_after_all<Kind>(s, net, step, run.numbers.clip_norm, b);
  else backward_and_update<Kind>(s, net, step, b);
}

// The Spec with the run's true widths and batch: padding of its leaves is neither read nor written, and what is decided
// by sizes is decided as for the run alone.
Spec own_sizes(Spec s, const Run& run) {
  for (int i = 0; run.widths && i <= s.layers; i++) s.sizes[i] = run.widths[i];
  if (run.train.count < s.batch) s.batch = run.train.count > 1 ? run.train.count : 1;
  return s;
}

class Trainer {
 public:
  Trainer(const Spec& s, const Run& run, char* workspace, Team* team, int rank)
      : s_(own_sizes(s, run)), run_(run), team_(team), share_{rank, team->size} {
    carve(s_, net_, (char*)round_up((long)workspace, 64), team->size, rank);
    for (int i = 0; i < s.layers; i++) net_.layer[i].leaf_stride = s.sizes[i + 1];
  }

  void train() {
    const long stop = run_.epochs < run_.stop ? run_.epochs : run_.stop;
    if (leads()) load_state(net_, run_);
    barrier(team_);
    decay_.start(run_.numbers, run_.clock->count);
    long count = run_.clock->count, steps_done = 0;
    for (;;) {
      barrier(team_);  // the clock is settled
      if (team_->dissolved && !go_on_alone()) return;
      if (!run_.clock->active || run_.clock->epoch >= stop) break;
      one_epoch(count, steps_done);
    }
    barrier(team_);
    if (!leads()) return;
    save_state(net_, run_);
    if (run_.clock->epoch < run_.stop) run_.clock->epoch = (int32_t)run_.stop;
  }

 private:
  bool leads() const { return share_.rank == 0; }

  // Rank 0 takes on everybody's share, the others leave: no result depends on how many there are.
  bool go_on_alone() {
    if (!leads()) return false;
    share_ = {0, 1};
    team_->size = 1;
    return true;
  }

  void one_epoch(long& count, long& steps_done) {
    const long before = count, state = net_.block * (1 + net_.moments);
    if (leads()) __builtin_memcpy(net_.snapshot, net_.params, state * sizeof(float));
    float loss = pass_over_rows(count, steps_done);
    // A run that goes non-finite keeps the state of the last epoch that was finite. Where Adam's running means have
    // overflowed, the parameters stay finite, and never move again.
    const bool finite = __builtin_isfinite(loss) && all_finite(net_.params, s_.optimizer == kAdam ? state : net_.block);
    barrier(team_);
    if (!finite) {
      count = before;
      if (leads()) __builtin_memcpy(net_.params, net_.snapshot, state * sizeof(float));
      barrier(team_);
    }
    float value = loss;
    if (s_.validation) value = validation_loss();
    barrier(team_);
    if (leads()) settle(loss, value, count, finite);
  }

  void settle(float loss, float value, long count, bool finite) {
    Clock& c = *run_.clock;
    run_.loss[c.epoch] = loss;
    if (s_.validation) run_.validation_loss[c.epoch] = value;
    c.count = (int32_t)count;
    c.finite = finite;
    c.active = finite;
    c.epochs_run++;
    if (finite && value < *run_.best_value - run_.numbers.min_delta) {
      *run_.best_value = value;
      c.best_epoch = c.epoch;
      c.wait = 0;
      if (s_.early_stopping) convert<false>(net_, run_.best, 0);
    } else {
      c.wait++;
    }
    if (s_.early_stopping && c.wait >= run_.patience) c.active = 0;
    c.epoch++;
    team_->dissolved = team_->dissolved || usefulness_.is_lost(team_);
  }

  float pass_over_rows(long& count, long& steps_done) {
    const Rows& rows = run_.train;
    if (rows.poisoned) return __builtin_nanf("");
    const long n = rows.count, size = s_.batch < n ? s_.batch : n, steps = n ? (n + size - 1) / size : 0;
    const Stream key{run_.words[0], run_.words[1]};
    const uint32_t epoch = (uint32_t)run_.clock->epoch;
    Permutation permutation;
    if (s_.shuffle) permutation.start(derive(derive(key, kShuffleStream), epoch), (uint32_t)n);
    const Stream bootstrap = derive(key, kBootstrapStream);
    const Order order{s_.shuffle ? &permutation : nullptr, s_.bootstrap ? &bootstrap : nullptr, (uint32_t)n};
    double sum = 0, weights = 0;
    const long stretch = batches_in_order(s_) * size;  // rows whose order is worked out at once
    own_order(rows, order, 0, n < stretch ? n : stretch, net_.index[0]);
    barrier(team_);
    for (long i = 0; i < steps; i++) {
      const long start = i * size, batch = n - start < size ? n - start : size;
      const long first = row_share(share_, batch, false), last = row_share(share_, batch, true);
      const int32_t* index = order_of(start, stretch);
      gather(s_, net_, rows, index, first, last);
      const double weight = own_weights(index, batch, first, last);
      if (const long next = start + stretch; start % stretch == 0 && next < n)
        own_order(rows, order, next, n - next < stretch ? n - next : stretch, order_of(next, stretch));
      const Stream dropped = derive(derive(key, kDropoutStream), epoch * (uint32_t)steps + (uint32_t)i);
      const Dropout dropout{dropped, run_.drop_below, run_.numbers.keep_scale};
      const Batch here{batch, first, last, team_, share_};
      forward(s_, net_, s_.dropout ? &dropout : nullptr, here);
      losses(s_, net_, run_.numbers.huber_delta, first, last);
      barrier(team_);
      sum += weighted_losses(net_, s_.weighted ? rows.weight : nullptr, index, batch);
      weights += weight;
      if (const long next = start + size; next < n) {
        const long most = n - next < size ? n - next : size;
        prefetch(s_, rows, order_of(next, stretch), row_share(share_, most, false), row_share(share_, most, true));
      }
      one_update(here, weight, count, steps_done);
      barrier(team_);
    }
    return weights == 0 ? __builtin_nanf("") : (float)(sum / weights);  // where no row counts, nothing is known
  }

  // Where the order of the rows from place `start` on stands: stretches take turns in two buffers.
  int32_t* order_of(long start, long stretch) const {
    return net_.index[start / stretch & 1] + start % stretch;
  }

  // This thread's part of the order; the other threads fill in theirs, before the next barrier.
  void own_order(const Rows& rows, const Order& order, long start, long count, int32_t* index) {
    const long first = row_share(share_, count, false), last = row_share(share_, count, true);
    order_rows(rows, order, start + first, last - first, index + first);
  }

  double own_weights(const int32_t* index, long batch, long first, long last) {
    if (s_.weighted) {
      double sum = 0;
      for (long r = 0; r < batch; r++) sum += run_.train.weight[index[r]];
      const double inverse = sum == 0 ? 0 : 1 / sum;
      if (inverse > 1e-30 && inverse < 1e30) {
        for (long r = first; r < last; r++) net_.scale[r] = run_.train.weight[index[r]] * (float)inverse;
      } else {  // which a float does not hold
        for (long r = first; r < last; r++) net_.scale[r] = (float)(run_.train.weight[index[r]] * inverse);
      }
      return sum;
    }
    for (long r = first; r < last; r++) net_.scale[r] = 1.f / (float)batch;
    return (double)batch;
  }

  void one_update(const Batch& b, double weight, long& count, long& steps_done) {
    const Numbers& numbers = run_.numbers;
    const float rate = run_.rate[s_.rates == 1 ? 0 : steps_done < s_.rates ? steps_done : s_.rates - 1];
    const bool nesterov = s_.nesterov;
    Step step = s_.optimizer == kAdam ? adam_step(numbers, nesterov, rate, decay_)
                                      : sgd_step(numbers, nesterov && s_.momentum, rate);
    step.l2 = 2 * numbers.l2;
    if (s_.l2_over_rows) step.l2 = weight > 0 ? (float)(step.l2 / weight) : 0.f;
    if (s_.optimizer == kAdam && common_adam(numbers, nesterov))
      apply_step<kUpdateAdam>(s_, net_, run_, step, b);
    else if (s_.optimizer == kAdam) apply_step<kUpdateAnyAdam>(s_, net_, run_, step, b);
    else if (s_.momentum) apply_step<kUpdateTrace>(s_, net_, run_, step, b);
    else apply_step<kUpdatePlain>(s_, net_, run_, step, b);
    steps_done++;
    if (count < INT32_MAX) count++;
  }

  float validation_loss() {
    const Rows& rows = run_.validation;
    if (rows.poisoned) return __builtin_nanf("");
    const float* weight = s_.validation_weighted ? rows.weight : nullptr;
    double sum = 0, weights = 0;
    int32_t* index = net_.index[0];
    for (long start = 0; start < rows.count; start += net_.rows) {
      const long batch = rows.count - start < net_.rows ? rows.count - start : net_.rows;
      const long first = row_share(share_, batch, false), last = row_share(share_, batch, true);
      own_order(rows, Order{}, start, batch, index);
      gather(s_, net_, rows, index, first, last);
      for (long r = first; r < last; r++) net_.scale[r] = 0;
      forward(s_, net_, nullptr, {batch, first, last, team_, share_});
      losses(s_, net_, run_.numbers.huber_delta, first, last);
      barrier(team_);
      sum += weighted_losses(net_, weight, index, batch);
      for (long r = 0; r < batch; r++) weights += weight ? weight[index[r]] : 1;
      barrier(team_);
    }
    return weights == 0 ? __builtin_nanf("") : (float)(sum / weights);  // where no row counts, nothing is known
  }

  const Spec s_;
  const Run& run_;
  Team* team_;
  Share share_;
  Net net_;
  Decay decay_;
  Usefulness usefulness_;
};

void train(const Spec* s, const Run* run, char* workspace, Team* team, int rank) {
  FlushToZero scope;
  TileScope tiles;
  Trainer(*s, *run, workspace, team, rank).train();
}

bool on_tiles(const Spec* s, long rows) {
  Net net;
  shape_layers(*s, net, rows);
  return on_tiles(net);
}

size_t train_bytes(const Spec* s, int threads) {
  Net net;
  return carve(*s, net, nullptr, threads, 0) + 64;
}

}  // namespace
}  // namespace jaxbm
