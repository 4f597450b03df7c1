// A whole training run: epochs, batches, validation and early stopping. Compiled once per instruction set, with
// KERNELS the name of its table; nothing from the standard library is included, since an inline function of it,
// compiled here for a newer instruction set, could be the one the linker keeps for everybody.
#include "kernel.h"
#include "layers.h"
#include "losses.h"
#include "weights.h"

namespace jaxbm {
namespace {

void load_state(Net& net, const Run& run) {
  long blocks = 1 + net.moments;
  __builtin_memset(net.params, 0, blocks * net.block * sizeof(float));
  if (net.grads) __builtin_memset(net.grads, 0, net.block * sizeof(float));
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

// Rows [first, last) of a batch: features, labels and weights of the table's rows `index`.
void gather(const Spec& s, Net& net, const Rows& rows, const int32_t* index, long first, long last) {
  const Layer& l = net.layer[0];
  const long in = l.in, outputs = s.labels_2d ? s.sizes[s.layers] : 1;
  const long stride = s.labels_2d ? net.layer[net.layers - 1].gradient_stride : 1;
  for (long r = first; r < last; r++) {
    const float* x = rows.x + (long)index[r] * in;
    float* a = l.input + r * l.input_stride;
    long i = 0;
    for (; i + VL <= in; i += VL) store(a + i, load(x + i));
    if (i < in) store(a + i, load_first(x + i, in - i));
    const float* y = (const float*)rows.y + (long)index[r] * outputs;  // integers are copied as they are
    for (long c = 0; c < outputs; c++) __builtin_memcpy(net.labels + r * stride + c, y + c, 4);
  }
}

INLINE void prefetch(const Spec& s, const Rows& rows, const int32_t* index, long first, long last) {
  const long in = s.sizes[0];
  for (long r = first; r < last; r++) {
    const char* x = (const char*)(rows.x + (long)index[r] * in);
    for (long i = 0; i < in * 4; i += 64) __builtin_prefetch(x + i, 0, 2);
  }
}

// How the places of a run's rows are visited: in turn, or permuted, then drawn with replacement where asked.
struct Order {
  const Permutation* permutation;
  const Stream* bootstrap;
  uint32_t rows;
};

// Table rows at places [start, start + count) of the order.
template <int Vectors>
INLINE void order_vectors(const Rows& rows, const Order& order, long start, long count, int32_t* index) {
  Word place[Vectors];
  UNROLL for (int v = 0; v < Vectors; v++) place[v] = (Word)(lanes() + (int32_t)(start + v * VL));
  if (order.permutation) order.permutation->apply(place);
  if (order.bootstrap)
    UNROLL for (int v = 0; v < Vectors; v++) place[v] = mix(mix(place[v] ^ order.bootstrap->a) + order.bootstrap->b);
  uint32_t flat[Vectors * VL];
  UNROLL for (int v = 0; v < Vectors; v++) store((float*)flat + v * VL, (Vec)place[v]);
  for (long k = 0; k < count; k++) {
    long row = order.bootstrap ? (long)((uint64_t)flat[k] * order.rows >> 32) : (long)flat[k];
    index[k] = rows.index ? rows.index[row] : (int32_t)row;
  }
}

void order_rows(const Rows& rows, const Order& order, long start, long count, int32_t* index) {
  constexpr int kMost = VL >= 16 ? 8 : 4;  // as many as fill the time that one round of the permutation waits
  long i = 0;
  for (; count - i > kMost / 2 * VL; i += kMost * VL)
    order_vectors<kMost>(rows, order, start + i, count - i < kMost * VL ? count - i : kMost * VL, index + i);
  if (i < count) order_vectors<kMost / 2>(rows, order, start + i, count - i, index + i);
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
  if (s.clip) update_clipped<Kind>(s, net, step, run.numbers.clip_norm, b);
  else backward_and_update<Kind>(s, net, step, b);
}

// Rows are shared out in eights, so that only the last tile of each thread is a small one.
INLINE long row_share(Share share, long rows, bool last) {
  long units = (rows + 7) / 8, row = (last ? share.last(units) : share.first(units)) * 8;
  return row < rows ? row : rows;
}

// The Spec with the run's true widths: padding of its leaves is neither read nor written.
Spec own_sizes(Spec s, const Run& run) {
  for (int i = 0; run.widths && i <= s.layers; i++) s.sizes[i] = run.widths[i];
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

  void one_epoch(long& count, long& steps_done) {
    const long before = count, state = net_.block * (1 + net_.moments);
    if (leads()) __builtin_memcpy(net_.snapshot, net_.params, state * sizeof(float));
    float loss = pass_over_rows(count, steps_done);
    // A run that goes non-finite keeps the state of the last epoch that was finite.
    const bool finite = __builtin_isfinite(loss) && all_finite(net_.params, net_.block);
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
  }

  float pass_over_rows(long& count, long& steps_done) {
    const Rows& rows = run_.train;
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
      one_update(here, count, steps_done);
      barrier(team_);
    }
    return (float)(weights == 0 ? 0 : sum / weights);
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
      const float inverse = sum == 0 ? 0.f : (float)(1 / sum);
      for (long r = first; r < last; r++) net_.scale[r] = run_.train.weight[index[r]] * inverse;
      return sum;
    }
    for (long r = first; r < last; r++) net_.scale[r] = 1.f / (float)batch;
    return (double)batch;
  }

  void one_update(const Batch& b, long& count, long& steps_done) {
    const Numbers& numbers = run_.numbers;
    const float rate = run_.rate[s_.rates == 1 ? 0 : steps_done < s_.rates ? steps_done : s_.rates - 1];
    const bool nesterov = s_.nesterov;
    Step step = s_.optimizer == kAdam ? adam_step(numbers, nesterov, rate, decay_)
                                      : sgd_step(numbers, nesterov && s_.momentum, rate);
    step.l2 = 2 * numbers.l2;
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
    return (float)(weights == 0 ? 0 : sum / weights);
  }

  const Spec s_;
  const Run& run_;
  Team* team_;
  Share share_;
  Net net_;
  Decay decay_;
};

void train(const Spec* s, const Run* run, char* workspace, Team* team, int rank) {
  FlushToZero scope;
  TileScope tiles;
  Trainer(*s, *run, workspace, team, rank).train();
}

bool on_tiles(const Spec* s, long rows) {
  Net net;
  shape_layers(*s, net, rows);
  for (int i = 0; i < net.layers; i++)
    if (net.layer[i].tiles) return true;
  return false;
}

size_t train_bytes(const Spec* s, int threads) {
  Net net;
  return carve(*s, net, nullptr, threads, 0) + 64;
}

// ---- inference ----

Net inference_net(const Spec& s, char* weights, char* rows) {
  Net net = {};
  shape_layers(s, net, kEvaluationRows);
  net.rows = kEvaluationRows;
  Carver for_weights(weights), for_rows(rows);
  carve_weights(net, for_weights, false);
  carve_rows(s, net, for_rows, false);
  carve_factors(net, for_rows, 1, 0, 0);
  return net;
}

size_t weight_bytes(const Spec* s) {
  Net net = {};
  shape_layers(*s, net, kEvaluationRows);
  Carver c(nullptr);
  carve_weights(net, c, false);
  return c.used();
}

size_t apply_bytes(const Spec* s) {
  Net net = {};
  shape_layers(*s, net, kEvaluationRows);
  net.rows = kEvaluationRows;
  Carver c(nullptr);
  carve_rows(*s, net, c, false);
  carve_factors(net, c, 1, 0, 0);
  return c.used();
}

void apply_pack(const Spec* s, const Leaves* leaves, char* weights) {
  Net net = inference_net(*s, weights, nullptr);
  __builtin_memset(net.params, 0, net.block * sizeof(float));
  convert<true>(net, *leaves, 0);
}

void apply(const Spec* s, const char* weights, char* workspace, const Rows* rows, float* out) {
  FlushToZero scope;
  TileScope tiles;
  Net net = inference_net(*s, const_cast<char*>(weights), workspace);
  const Layer &first = net.layer[0], &last = net.layer[net.layers - 1];
  __builtin_memset(first.input, 0, (net.rows * first.input_stride + kPanel) * sizeof(float));
  for (long start = 0; start < rows->count; start += net.rows) {
    long n = rows->count - start < net.rows ? rows->count - start : net.rows;
    for (long r = 0; r < n; r++) {
      const float* x = rows->x + (rows->index ? rows->index[start + r] : start + r) * first.in;
      __builtin_memcpy(first.input + r * first.input_stride, x, first.in * sizeof(float));
    }
    forward(*s, net, nullptr, {n, 0, n, nullptr, {0, 1}});
    for (long r = 0; r < n; r++)
      __builtin_memcpy(out + (start + r) * last.out, net.logits + r * last.gradient_stride, last.out * sizeof(float));
  }
}

// ---- Adam over flat arrays, and the permutation ----

void adam(const Numbers* numbers, bool nesterov, long count, float rate, long n, const float* g, const float* w0,
          const float* m0, const float* v0, float* w, float* m, float* v) {
  FlushToZero scope;
  Decay decay;
  decay.start(*numbers, count);
  const Step s = adam_step(*numbers, nesterov, rate, decay);
  long i = 0;
  auto step = [&](auto in, auto out) __attribute__((always_inline)) {
    const Vec gradient = in(g);
    const Moments now = adam_moments<kUpdateAnyAdam>(gradient, in(m0), in(v0), s);
    const Vec root = adam_root<kUpdateAnyAdam>(now, s);
    out(w, adam_weight(in(w0), adam_quotient<kUpdateAnyAdam>(gradient, now.first, root, s), s));
    out(m, now.first);
    out(v, now.second);
  };
  for (; i + VL <= n; i += VL)
    step([i](const float* p) __attribute__((always_inline)) { return load(p + i); },
         [i](float* p, Vec x) __attribute__((always_inline)) { store(p + i, x); });
  const long rest = n - i;
  if (rest > 0)
    step([i, rest](const float* p) __attribute__((always_inline)) { return load_first(p + i, rest); },
         [i, rest](float* p, Vec x) __attribute__((always_inline)) { store_first(p + i, x, rest); });
}

void permutation(const uint32_t* words, uint32_t n, uint32_t first, long count, int32_t* out) {
  Permutation order;
  order.start({words[0], words[1]}, n);
  const Rows identity = {};
  order_rows(identity, Order{&order, nullptr, n}, first, count, out);
}

}  // namespace

extern const Kernels KERNELS;
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
const Kernels KERNELS = {TEXT(KERNELS), on_tiles,     train_bytes, train, apply_bytes, apply_pack, apply,
                         weight_bytes,  adam, permutation};

}  // namespace jaxbm
