// Calls from several threads at once, over one pool, and pools that are of no use.
#include <thread>

#include "calls.h"

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

}  // namespace
}  // namespace jaxbm_tests
