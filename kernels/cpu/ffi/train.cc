// The handler of training runs: members spread over threads, or one run shared by a team of them.
#include "ffi/isa.h"
#include "ffi/pool.h"
#include "ffi/train_call.h"

JAXBM_HANDLER(jaxbm_train)

namespace jaxbm {
namespace {

constexpr double kTeamIntensity = 500;  // operations for each activation: most of them cross over to another core

// How many threads pay for one run at the most. Unless it is done in halves, a thread needs the activations of all rows
// for the weights' gradients, half of which lie in another core's cache; to fetch one takes as long as hundreds of
// operations.
int64_t paying_threads(const Spec& s, bool tiles, int64_t most) {
  if (in_halves(s) && !tiles) return std::min<int64_t>(2, most);
  return may_halve(s) && flops(s) >= kTeamIntensity * activations(s) ? most : 1;
}

// How long a team may wait for its helpers, in seconds: a tenth of what the run takes one thread at 100 GFLOP/s, and
// not for ever.
double patience(const Spec& s, const Run& run) {
  const int64_t epochs = std::max<int64_t>(0, std::min(run.stop, run.epochs) - run.clock->epoch);
  return std::min(5e-3, 0.1 * flops(s) / (double)s.batch * (double)run.train.count * (double)epochs / 1e11);
}

// Remembers teams that came to nothing, since other programs have the processors: for a while none is tried again, for
// longer each time. A single one may only have had both of its threads woken up on one processor.
class Crowd {
 public:
  static int64_t now() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
  }

  bool is_here() const { return now() < until_.load(std::memory_order_relaxed); }

  void note(const Team& team, int64_t passed) {
    // Short runs are judged together.
    passed = passed_.fetch_add(passed) + passed;
    const int64_t waited = waited_.fetch_add(team.waited) + team.waited;
    if (!team.dissolved && passed < kTeamWindow) return;
    passed_ = waited_ = 0;
    if (team.dissolved || is_useless(team.size, waited, passed)) {
      const int64_t pause = pause_.load(std::memory_order_relaxed);
      until_.store(now() + pause, std::memory_order_relaxed);
      pause_.store(std::min(2 * pause, kLongestPause), std::memory_order_relaxed);
    } else {
      pause_.store(kFirstPause, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr int64_t kFirstPause = 5000000, kLongestPause = 320000000;  // nanoseconds
  std::atomic<int64_t> until_{0}, passed_{0}, waited_{0}, pause_{kFirstPause};
};

Crowd& crowd() {
  static Crowd of_process;
  return of_process;
}

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
    if (call.members() == 1 && threads <= 0)
      wanted = crowd().is_here() ? 1 : paying_threads(spec, chosen.on_tiles(&spec, spec.batch), most);
    const int team = call.members() == 1 ? (int)wanted : 1;
    const size_t bytes = (chosen.train_bytes(&spec, team) + 63) / 64 * 64;
    if (call.members() == 1) {
      Run only = call.run(0);
      char* memory = workspace().get(bytes + call.scratch());
      call.weigh(0, only, (float*)(memory + bytes));
      auto one = [&spec, &chosen, run = only, memory](Team* team, int rank) {
        chosen.train(&spec, &run, memory, team, rank);
      };
      const int64_t began = Crowd::now();
      const Team left = as_team(pool, wanted, patience(spec, only), threads <= 0, one);
      if (left.may_dissolve && (left.size > 1 || left.dissolved)) crowd().note(left, Crowd::now() - began);
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

}  // namespace
}  // namespace jaxbm

namespace ffi = xla::ffi;
using Integers = ffi::Span<const int64_t>;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_train, jaxbm::train,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<Integers>("sizes").Attr<Integers>("activations")
                                  .Attr<int64_t>("loss").Attr<int64_t>("optimizer").Attr<int64_t>("options")
                                  .Attr<int64_t>("batch_size").Attr<int64_t>("threads"));
