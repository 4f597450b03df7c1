// The handler of rows whose first layer is shifted: blocks of rows of all members, spread over threads.
#include <algorithm>

#include "ffi/inference.h"
#include "ffi/isa.h"

JAXBM_HANDLER(jaxbm_shifted)

namespace jaxbm {
namespace {

ffi::Error shifted(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead,
                   ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> activations, int64_t first, int64_t bias,
                   int64_t threads) {
  return guarded([&] {
    Spec spec = {};
    set_network(spec, sizes, activations);
    require_code("first activation", first, kActivations, kActivationNames);
    Buffers buffers(args, rets, lead);
    const auto amounts = buffers.argument<float>("amounts", {-1, -1, -1});
    const int64_t cases = amounts.tail[0], features = amounts.tail[1], moved = amounts.tail[2];
    const auto directions = buffers.argument<float>("directions", {-1, features, spec.sizes[0]});
    const auto base = buffers.argument<float>("base", {spec.sizes[0], -1});
    const Weights weights(buffers, spec, bias);
    const int64_t groups = directions.tail[0], rows = base.tail[1], outputs = spec.sizes[spec.layers];
    require_within("number of features", features, 1, 1 << 16);
    require_within("groups of directions", groups, 1, std::max<int64_t>(1, cases));
    if (cases % groups) throw BadCall("amounts: expected as many cases for each group of directions");
    if (moved != 1 && moved != rows) throw BadCall("amounts: expected one for all rows, or one for each");
    const auto out = buffers.result<float>("logits", {cases, rows, outputs});
    const int64_t members = buffers.finish();
    const int64_t chunk = kEvaluationRows, chunks = (rows + chunk - 1) / chunk;
    const Kernels& chosen = kernels_for(spec, kEvaluationRows);
    const size_t bytes = chosen.shifted_bytes(&spec, features);
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      const int64_t from = i % chunks * chunk, several = std::min(chunk, rows - from);
      const Shift shift = {base.at(place), directions.at(place), amounts.at(place), features, cases,
                           std::max<int64_t>(1, cases / groups), rows, moved > 1, (int)first};
      const Leaves leaves = weights.at(place);
      chosen.shifted(&spec, &leaves, workspace().get(bytes), &shift, from, several, out.at(place));
    };
    return spread(pool, members * chunks, threads, one);
  });
}

}  // namespace
}  // namespace jaxbm

namespace ffi = xla::ffi;
using Integers = ffi::Span<const int64_t>;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_shifted, jaxbm::shifted,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<Integers>("sizes").Attr<Integers>("activations")
                                  .Attr<int64_t>("first").Attr<int64_t>("bias").Attr<int64_t>("threads"));
