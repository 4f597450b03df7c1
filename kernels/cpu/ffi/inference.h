// What the handlers of inference share: a network's weights among a call's buffers, and blocks of work over threads.
#pragma once
#include <algorithm>

#include "ffi/checks.h"
#include "ffi/pool.h"

namespace jaxbm {

class Weights {
 public:
  Weights(Buffers& buffers, const Spec& spec, bool has_bias) {
    for (int i = 0; i < spec.layers; i++) {
      weight_.push_back(buffers.argument<float>("weight", {spec.sizes[i], spec.sizes[i + 1]}));
      if (has_bias) bias_.push_back(buffers.argument<float>("bias", {spec.sizes[i + 1]}));
    }
  }

  // A member's; the kernels' packing reads them alone.
  Leaves at(const std::vector<int64_t>& place) const {
    Leaves leaves = {};
    for (size_t k = 0; k < weight_.size(); k++) leaves.weight[k] = const_cast<float*>(weight_[k].at(place));
    for (size_t k = 0; k < bias_.size(); k++) leaves.bias[k] = const_cast<float*>(bias_[k].at(place));
    return leaves;
  }

 private:
  std::vector<Part<const float>> weight_, bias_;
};

// This thread's memory: a network's weights, packed, and `bytes` to work in.
struct Packed {
  char *weights, *workspace;

  Packed(const Kernels& kernels, const Spec& spec, const Leaves& leaves, size_t bytes) {
    const size_t own = (kernels.weight_bytes(&spec) + 4095) / 64 * 64;
    weights = jaxbm::workspace().get(own + bytes);
    workspace = weights + own;
    kernels.apply_pack(&spec, &leaves, weights);
  }
};

// Calls task(i) for every i below `tasks`, on so many threads; 0 means as many as the pool has.
template <class Task>
ffi::Error spread(const Pool& pool, int64_t tasks, int64_t threads, Task task) {
  const int64_t cores = std::max<int64_t>(1, pool.num_threads());
  if (!for_each(pool, tasks, threads > 0 ? std::min(threads, cores) : cores, task)) throw std::bad_alloc();
  return ffi::Error::Success();
}

}  // namespace jaxbm
