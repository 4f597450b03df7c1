// What a training run must not depend on: threads, other members, interruptions, the memory of its results.
#include "calls.h"

namespace jaxbm_tests {
namespace {

void check_same(const Call& a, const Call& b, const std::string& what) {
  for (size_t i = 0; i < a.rets.size(); i++) CHECK(same_bytes(a.rets[i], b.rets[i]), what + ", " + a.rets[i].name);
}

Call ran(Call call, Runtime& runtime) {
  const Outcome outcome = call.run(runtime);
  CHECK(outcome.ok(), outcome.message);
  return call;
}

// A case with something to train, differing in everything else.
TrainCase lively(Random& random) {
  TrainCase what = random_train(random);
  what.rows = random.between(20, 70);
  what.picked = random.between(10, 50);
  what.history = what.stop = what.epochs = 4;
  what.patience = 10;
  what.count = 0;
  return what;
}

// The same with layers and batches that are wide enough for tiles, in numbers that don't fill them.
TrainCase wide(Random& random) {
  TrainCase what = lively(random);
  const int64_t widths[] = {130, 150, 128, 161};
  for (size_t i = 0; i + 1 < what.sizes.size(); i++) what.sizes[i] = widths[i % 4];
  what.rows = 320;
  what.picked = random.between(70, 310);
  what.batch = random.between(0, 2) * 100 + 70;
  what.history = what.stop = what.epochs = 2;
  return what;
}

// The same with few weights and batches that are large enough for gradients in two halves; the last one is of any size.
TrainCase halved(Random& random) {
  TrainCase what = lively(random);
  what.sizes = {40, 65, 33, random.between(1, 5)};
  what.activations = {random.between(0, jaxbm::kActivations - 1), random.between(0, jaxbm::kActivations - 1)};
  what.rows = 460;
  what.picked = random.between(201, 450);
  what.batch = random.between(190, 230);
  what.history = what.stop = what.epochs = 2;
  return what;
}

Call with_threads(Call call, int64_t threads) {
  call.attributes["threads"].values = {threads};
  return call;
}

TEST(a_team_of_threads_changes_nothing) {
  Runtime runtime(4), alone_runtime(0);
  Random random(settings.seed);
  for (int i = 0; i < 50; i++) {
    TrainCase what = i < 40 ? lively(random) : i < 44 ? wide(random) : halved(random);
    what.members.axes.clear();
    const Call call = train_call(what, random);
    const Call expected = ran(with_threads(call, 1), runtime);
    for (int64_t threads : {2, 3, 4})
      check_same(ran(with_threads(call, threads), runtime), expected,
                 "case " + std::to_string(i) + ", threads " + std::to_string(threads));
    check_same(ran(with_threads(call, 2), alone_runtime), expected, "case " + std::to_string(i) + ", no pool");
  }
}

TEST(a_member_alone_is_the_same) {
  Runtime runtime(3);
  Random random(settings.seed);
  for (int i = 0; i < 29; i++) {
    TrainCase what = i < 25 ? lively(random) : i < 27 ? wide(random) : halved(random);
    what.members.axes = {3, 2};
    const Call call = train_call(what, random), together = ran(call, runtime);
    for (int64_t m = 0; m < 6; m++) {
      const std::vector<int64_t> place{m / 2, m % 2};
      check_same(ran(alone(call, place), runtime), alone(together, place),
                 "case " + std::to_string(i) + ", member " + std::to_string(m));
    }
  }
}

TEST(a_run_in_two_parts_is_the_whole_run) {
  Runtime runtime(3);
  Random random(settings.seed);
  for (int i = 0; i < 40; i++) {
    TrainCase what = lively(random);
    what.rates = 1;  // the rates of a call are counted from its own first step
    const Call whole = train_call(what, random);
    Call first = whole;
    Array& limits = first.arg("limits");
    for (int64_t k = 0; k < limits.elements(); k += 7) limits.as<int32_t>()[k] = 2;
    check_same(ran(resumed(ran(first, runtime), 4), runtime), ran(whole, runtime), "case " + std::to_string(i));
  }
}

TEST(results_in_place_are_the_same) {
  Runtime runtime(3);
  Random random(settings.seed);
  for (int i = 0; i < 20; i++) {
    Call call = train_call(lively(random), random), other = call;
    other.in_place = !call.in_place;
    check_same(ran(call, runtime), ran(other, runtime), "case " + std::to_string(i));
  }
}

TEST(training_lowers_the_loss) {
  Runtime runtime(2);
  Random random(settings.seed);
  TrainCase what;
  what.rows = 64;
  what.history = what.stop = what.epochs = 40;
  Call call = train_call(what, random);
  Array& labels = call.arg("labels");
  call.arg("learning_rate").as<float>()[0] = 0.05f;
  for (int64_t i = 0; i < labels.elements(); i++) labels.as<float>()[i] = call.arg("x").as<float>()[3 * i] > 0;
  call = ran(call, runtime);
  const float* loss = call.ret("loss").as<float>();
  CHECK(loss[39] < 0.5f * loss[0], std::to_string(loss[0]) + " to " + std::to_string(loss[39]));
  CHECK(call.ret("clock").as<int32_t>()[0] == 40 * 8, "steps " + std::to_string(call.ret("clock").as<int32_t>()[0]));
}

}  // namespace
}  // namespace jaxbm_tests
