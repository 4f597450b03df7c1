// The handler of permutations, in chunks spread over threads.
#include <algorithm>

#include "ffi/checks.h"
#include "ffi/isa.h"
#include "ffi/pool.h"

JAXBM_HANDLER(jaxbm_permutation)

namespace jaxbm {
namespace {

ffi::Error permutation(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead) {
  return guarded([&] {
    Buffers buffers(args, rets, lead);
    const auto words = buffers.argument<uint32_t>("words", {2});
    const auto out = buffers.result<int32_t>("order", {-1});
    const int64_t members = buffers.finish(), n = out.tail[0], chunk = 1 << 14, chunks = (n + chunk - 1) / chunk;
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      const int64_t first = i % chunks * chunk;
      kernels().permutation(words.at(place), (uint32_t)n, (uint32_t)first, std::min(chunk, n - first),
                            out.at(place) + first);
    };
    return for_each(pool, members * chunks, std::max<int64_t>(1, pool.num_threads()), one) ? ffi::Error::Success()
                                                                                           : throw std::bad_alloc();
  });
}

}  // namespace
}  // namespace jaxbm

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_permutation, jaxbm::permutation,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead"));
