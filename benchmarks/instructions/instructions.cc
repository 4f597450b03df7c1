// One fixed piece of work per run, for an instruction counter: kernel_instructions CASE, or --list, or --compiler.
//
// The counter should collect inside the handlers alone (jaxbm_train, jaxbm_apply, jaxbm_adam, jaxbm_permutation).
// There is no thread pool, so the caller does all the work and the count does not depend on the machine's load.
#include <cstdio>
#include <cstring>

#include "../../kernels/cpu/tests/calls.h"

namespace {

using namespace jaxbm_tests;
using Sizes = std::vector<int64_t>;

TrainCase net(const Sizes& sizes, int64_t batch, int64_t rows, int32_t epochs) {
  TrainCase what;
  what.sizes = sizes;
  what.activations.assign(sizes.size() - 2, jaxbm::kRelu);
  what.batch = batch;
  what.rows = rows;
  if (sizes.back() > 1) what.loss = jaxbm::kSoftmaxIntegerLabels;
  what.history = what.stop = what.epochs = epochs;
  return what;
}

Call train_small(Random& random) { return train_call(net({20, 64, 32, 1}, 32, 640, 2), random); }
Call train_tiny(Random& random) { return train_call(net({8, 16, 1}, 16, 1600, 2), random); }
Call train_middle(Random& random) { return train_call(net({784, 128, 10}, 64, 192, 1), random); }
Call train_square(Random& random) { return train_call(net({30, 256, 256, 2}, 256, 512, 1), random); }

Call train_members(Random& random) {
  TrainCase what = net({20, 64, 32, 1}, 32, 320, 1);
  what.members.axes = {4};
  return train_call(what, random);
}

Call train_options(Random& random) {
  TrainCase what = net({20, 64, 32, 5}, 32, 320, 2);
  what.activations = {jaxbm::kGelu, jaxbm::kTanh};
  what.options = kBias | kShuffle | kClip | kDropout | kEarlyStopping | kWeighted | kValidation;
  return train_call(what, random);
}

Call apply_small(Random& random) {
  ApplyCase what;
  what.sizes = {20, 64, 32, 1};
  what.activations = {jaxbm::kRelu, jaxbm::kRelu};
  what.rows = 4096;
  return apply_call(what, random);
}

Call adam(Random& random) { return adam_call({100000}, 10, false, random); }
Call permutation(Random& random) { return permutation_call(16000, {}, random); }

struct Case {
  const char* name;
  Call (*call)(Random&);
};
constexpr Case kCases[] = {{"train_small", train_small},     {"train_tiny", train_tiny},
                           {"train_middle", train_middle},   {"train_square", train_square},
                           {"train_members", train_members}, {"train_options", train_options},
                           {"apply_small", apply_small},     {"adam", adam},
                           {"permutation", permutation}};

int run(const char* name) {
  for (const Case& c : kCases) {
    if (std::strcmp(name, c.name) != 0) continue;
    Random random(1);
    Runtime runtime(0);
    Call call = c.call(random);
    call.in_place = true;
    const Outcome outcome = call.run(runtime);
    if (!outcome.ok()) std::fprintf(stderr, "%s: %s\n", name, outcome.message.c_str());
    return outcome.ok() ? 0 : 1;
  }
  std::fprintf(stderr, "no case is called %s\n", name);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (std::strcmp(argv[1], "--list") == 0) {
    for (const Case& c : kCases) std::puts(c.name);
    return 0;
  }
  if (std::strcmp(argv[1], "--compiler") == 0) {
#if defined(__clang__)
    std::printf("clang %d.%d.%d\n", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    std::printf("gcc %d.%d.%d\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    return 0;
  }
  return run(argv[1]);
}
