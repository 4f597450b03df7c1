// Valid calls of the handlers, from a description or at random.
#pragma once
#include "../kernel.h"
#include "harness.h"
#include "runtime.h"

namespace jaxbm_tests {

// Bits of a training call's `options`, in the order of kernels/mlp/train.py.
enum Option : int64_t {
  kBias = 1, kNesterov = 2, kMomentum = 4, kShuffle = 8, kClip = 16, kDropout = 32, kEarlyStopping = 64,
  kWeighted = 128, kLabels2d = 256, kValidation = 512, kValidationWeighted = 1024, kIndexed = 2048,
  kValidationIndexed = 4096, kBootstrap = 8192, kWidths = 16384, kClassWeighted = 32768,
  kValidationClassWeighted = 65536, kL2OverRows = 131072
};
constexpr int kOptionBits = 18;

// Leading axes of every buffer; with `shares`, an argument may be one for all members along an axis.
struct Members {
  std::vector<int64_t> axes;
  bool shares = true;
};

struct TrainCase {
  std::vector<int64_t> sizes{3, 4, 1}, activations{jaxbm::kRelu};
  int64_t loss = jaxbm::kSigmoidCrossEntropy, optimizer = jaxbm::kAdam, options = kBias | kShuffle;
  int64_t batch = 8, threads = 0;
  int64_t rows = 20, validation_rows = 9, picked = 12;  // picked: entries of an index
  int32_t history = 3, stop = 3, epochs = 3, patience = 2, count = 0;
  int64_t rates = 1;
  bool whole_table = true;  // else a range of the rows
  Members members;
};

struct ApplyCase {
  std::vector<int64_t> sizes{3, 4, 1}, activations{jaxbm::kRelu};
  bool bias = true, indexed = false, whole_table = true;
  int64_t rows = 20, picked = 12, threads = 0;
  Members members;
};

struct AlongCase {
  std::vector<int64_t> sizes{4, 1}, activations;  // of the layers behind the first
  int64_t first = jaxbm::kRelu;
  bool bias = true, evenly = true;
  int64_t rows = 20, values = 9, threads = 0;
  Members members;
};

struct ShiftedCase {
  std::vector<int64_t> sizes{4, 1}, activations;  // of the layers behind the first
  int64_t first = jaxbm::kTanh;
  bool bias = true, each = true;  // each: amounts for each row
  int64_t rows = 20, groups = 2, cases_of_group = 3, features = 1, threads = 0;
  Members members;
};

TrainCase random_train(Random& random);
ApplyCase random_apply(Random& random);
AlongCase random_along(Random& random);
ShiftedCase random_shifted(Random& random);

Call train_call(const TrainCase& what, Random& random);
Call apply_call(const ApplyCase& what, Random& random);
Call along_call(const AlongCase& what, Random& random);
Call shifted_call(const ShiftedCase& what, Random& random);
Call adam_call(const std::vector<int64_t>& lengths, int32_t count, bool nesterov, Random& random,
               const Members& members = {});
Call permutation_call(int64_t rows, const Members& members, Random& random);

// The same call for one member, given its place along each leading axis.
Call alone(const Call& call, const std::vector<int64_t>& place);
// The call that goes on where `call`, which has run, stopped.
Call resumed(const Call& call, int32_t stop);

}  // namespace jaxbm_tests
