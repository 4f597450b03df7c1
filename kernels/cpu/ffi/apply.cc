// The handler of inference: blocks of rows of all members, spread over threads.
#include <algorithm>
#include <cmath>

#include "ffi/checks.h"
#include "ffi/isa.h"
#include "ffi/pool.h"
#include "ffi/rows.h"

JAXBM_HANDLER(jaxbm_apply)

namespace jaxbm {
namespace {

ffi::Error apply(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead,
                 ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> activations, int64_t bias,
                 int64_t indexed, int64_t threads) {
  return guarded([&] {
    Spec spec = {};
    set_network(spec, sizes, activations);
    Buffers buffers(args, rets, lead);
    const auto limits = buffers.argument<int32_t>("limits", {2});
    RowParts rows;
    rows.x = buffers.argument<float>("x", {-1, spec.sizes[0]});
    std::vector<Part<const float>> weight, offset;
    for (int i = 0; i < spec.layers; i++) {
      weight.push_back(buffers.argument<float>("weight", {spec.sizes[i], spec.sizes[i + 1]}));
      if (bias) offset.push_back(buffers.argument<float>("bias", {spec.sizes[i + 1]}));
    }
    if (indexed) rows.index = buffers.argument<int32_t>("rows", {-1});
    const auto out = buffers.result<float>("logits", {-1, spec.sizes[spec.layers]});
    const int64_t members = buffers.finish(), most = out.tail[0];
    const int64_t chunk = 8 * kEvaluationRows, chunks = (most + chunk - 1) / chunk;
    rows.check();
    std::vector<Rows> visited;
    for (int64_t m = 0; m < members; m++) {
      const auto place = buffers.place(m);
      rows.check_range(limits.at(place), "rows");
      visited.push_back(rows.at(place, limits.at(place)));
      require_within("number of rows", visited[m].count, 0, most);
    }
    const Kernels& chosen = kernels_for(spec, kEvaluationRows);
    const size_t weights = (chosen.weight_bytes(&spec) + 4095) / 64 * 64;
    const size_t bytes = weights + chosen.apply_bytes(&spec);
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      Rows part = visited[i / chunks];
      const int64_t first = i % chunks * chunk, last = std::min(first + chunk, most);
      const int64_t count = std::max<int64_t>(0, std::min<int64_t>(last, part.count) - first);
      float* logits = out.at(place) + first * spec.sizes[spec.layers];
      std::memset(logits + count * spec.sizes[spec.layers], 0,
                  sizeof(float) * (last - first - count) * spec.sizes[spec.layers]);
      if (part.poisoned) std::fill(logits, logits + count * spec.sizes[spec.layers], NAN);
      if (count == 0 || part.poisoned) return;
      if (part.index) part.index += first;
      else part.x += first * spec.sizes[0];
      part.count = count;
      Leaves leaves = {};
      for (int k = 0; k < spec.layers; k++) {
        leaves.weight[k] = const_cast<float*>(weight[k].at(place));
        if (bias) leaves.bias[k] = const_cast<float*>(offset[k].at(place));
      }
      char* memory = workspace().get(bytes);
      chosen.apply_pack(&spec, &leaves, memory);
      chosen.apply(&spec, memory, memory + weights, &part, logits);
    };
    const int64_t cores = std::max<int64_t>(1, pool.num_threads());
    return for_each(pool, members * chunks, threads > 0 ? std::min(threads, cores) : cores, one)
               ? ffi::Error::Success()
               : throw std::bad_alloc();
  });
}

}  // namespace
}  // namespace jaxbm

namespace ffi = xla::ffi;
using Integers = ffi::Span<const int64_t>;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_apply, jaxbm::apply,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<Integers>("sizes").Attr<Integers>("activations")
                                  .Attr<int64_t>("bias").Attr<int64_t>("indexed").Attr<int64_t>("threads"));
