// Calls from several threads at once, over one pool, and pools that are of no use.
#include <chrono>
#include <thread>

#include "calls.h"
#include "ffi/pool.h"
#include "mlp/team.h"

namespace jaxbm_tests {
namespace {

std::vector<Call> some_calls(Random& random) {
  std::vector<Call> calls;
  for (int i = 0; i < 4; i++) {
    TrainCase what = random_train(random);
    what.rows = 40;
    what.history = what.stop = what.epochs = 3;
    if (i == 0) what.members.axes.clear();  // a team
    calls.push_back(train_call(what, random));
    calls.push_back(apply_call(random_apply(random), random));
    calls.push_back(adam_call({70000, 5}, i, i % 2 != 0, random));
    calls.push_back(permutation_call(20000, {{2}, true}, random));
  }
  return calls;
}

bool gives(Call call, const Call& expected, Runtime& runtime) {
  if (!call.run(runtime).ok()) return false;
  bool same = true;
  for (size_t i = 0; i < call.rets.size(); i++) same = same && same_bytes(call.rets[i], expected.rets[i]);
  return same;
}

TEST(concurrent_calls_do_not_disturb_each_other) {
  Runtime runtime(3);
  Random random(settings.seed);
  const std::vector<Call> calls = some_calls(random);
  std::vector<Call> expected = calls;
  for (Call& call : expected) CHECK(call.run(runtime).ok(), "a valid call");
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 6; t++)
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 2 * calls.size(); i++) {
        const size_t k = (i + 5 * t) % calls.size();
        CHECK(gives(calls[k], expected[k], runtime), "call " + std::to_string(k));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(a_useless_pool_changes_nothing) {
  Runtime good(3), refusing(3), countless(3), empty(0);
  refusing.refuses = true;
  countless.counts = false;
  Random random(settings.seed);
  for (const Call& call : some_calls(random)) {
    Call expected = call;
    CHECK(expected.run(good).ok(), "a valid call");
    for (Runtime* runtime : {&refusing, &countless, &empty}) CHECK(gives(call, expected, *runtime), "another pool");
  }
}

TEST(a_team_waits_for_a_member_that_is_late) {
  jaxbm::Team team{3, 0, 0};
  constexpr int kRounds = 30;
  int done[3] = {0, 0, 0};
  bool together = true;
  const auto member = [&](int rank) {
    for (int round = 0; round < kRounds; round++) {
      // Long enough that the others sleep, in every third round of each; in the rest they meet awake.
      if (round % 9 == 3 * rank) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      done[rank]++;
      jaxbm::barrier(&team);
      if (rank == round % 3) together = together && done[0] == done[1] && done[1] == done[2];
      jaxbm::barrier(&team);
    }
  };
  std::thread first(member, 1), second(member, 2);
  member(0);
  first.join(), second.join();
  CHECK(together && done[0] == kRounds, "all met in every round");
  CHECK(team.sleeping == 0, "nobody sleeps on");
}

#if defined(__linux__)
TEST(a_helper_stays_off_the_processor_of_its_caller) {
  cpu_set_t before, after;
  CHECK(sched_getaffinity(0, sizeof before, &before) == 0, "a set of processors");
  const int taken = jaxbm::OffProcessor::current();
  {
    const jaxbm::OffProcessor apart(taken);
    const bool moved = jaxbm::OffProcessor::current() != taken;
    CHECK(moved == (CPU_COUNT(&before) > 1), "another processor, if there is one");
  }
  sched_getaffinity(0, sizeof after, &after);
  CHECK(CPU_EQUAL(&before, &after), "it may run everywhere again");
}
#endif

}  // namespace
}  // namespace jaxbm_tests
