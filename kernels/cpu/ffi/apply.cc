// The handler of inference: blocks of rows of all members, spread over threads.
#include <algorithm>
#include <cmath>

#include "ffi/inference.h"
#include "ffi/isa.h"
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
    const Weights weights(buffers, spec, bias);
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
    const size_t bytes = chosen.apply_bytes(&spec);
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
      const Packed packed(chosen, spec, weights.at(place), bytes);
      chosen.apply(&spec, packed.weights, packed.workspace, &part, logits);
    };
    return spread(pool, members * chunks, threads, one);
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
