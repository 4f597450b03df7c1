// The handler of rows in which one feature takes value after value: blocks of rows of all members, spread over threads.
#include <algorithm>

#include "ffi/inference.h"
#include "ffi/isa.h"

JAXBM_HANDLER(jaxbm_along)

namespace jaxbm {
namespace {

// What a unit's activation makes of a number below zero, as a factor of it.
float below_zero(int64_t activation) {
  require_code("first activation", activation, kActivations, kActivationNames);
  if (activation == kRelu) return 0;
  if (activation == kLeakyRelu) return 0.01f;
  if (activation == kIdentity) return 1;
  throw BadCall("first activation: expected one of two straight lines: relu, leaky_relu, identity");
}

ffi::Error along(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead,
                 ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> activations, int64_t first, int64_t bias,
                 int64_t threads) {
  return guarded([&] {
    Spec spec = {};
    set_network(spec, sizes, activations);
    const float below = below_zero(first);
    Buffers buffers(args, rets, lead);
    const auto values = buffers.argument<float>("values", {-1});
    const auto slope = buffers.argument<float>("slope", {spec.sizes[0]});
    const auto base = buffers.argument<float>("base", {-1, spec.sizes[0]});
    const Weights weights(buffers, spec, bias);
    const int64_t count = values.tail[0], rows = base.tail[0], outputs = spec.sizes[spec.layers];
    require_within("number of values", count, 1, kEvaluationRows);
    const auto out = buffers.result<float>("logits", {rows, count, outputs});
    const int64_t members = buffers.finish();
    const int64_t chunk = 64 * kEvaluationRows / count, chunks = (rows + chunk - 1) / chunk;
    const Kernels& chosen = kernels_for(spec, kEvaluationRows);
    const size_t bytes = chosen.along_bytes(&spec, count);
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      const int64_t from = i % chunks * chunk, several = std::min(chunk, rows - from);
      const Line line = {values.at(place), slope.at(place), count, below};
      const Packed packed(chosen, spec, weights.at(place), bytes);
      chosen.along(&spec, packed.weights, packed.workspace, &line, base.at(place) + from * spec.sizes[0], several,
                   out.at(place) + from * count * outputs);
    };
    return spread(pool, members * chunks, threads, one);
  });
}

}  // namespace
}  // namespace jaxbm

namespace ffi = xla::ffi;
using Integers = ffi::Span<const int64_t>;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_along, jaxbm::along,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<Integers>("sizes").Attr<Integers>("activations")
                                  .Attr<int64_t>("first").Attr<int64_t>("bias").Attr<int64_t>("threads"));
