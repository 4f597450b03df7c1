// The handler of a step of Adam over whole pytrees, in chunks spread over threads.
#include <algorithm>

#include "ffi/checks.h"
#include "ffi/isa.h"
#include "ffi/pool.h"

JAXBM_HANDLER(jaxbm_adam)

namespace jaxbm {
namespace {

ffi::Error adam(Pool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead,
                int64_t nesterov) {
  return guarded([&] {
    Buffers buffers(args, rets, lead);
    const auto count = buffers.argument<int32_t>("count", {});
    const auto numbers = buffers.argument<float>("numbers", {6});
    require(args.size() > 2 && (args.size() - 2) % 4 == 0, "number of arguments", "2, and 4 for each of the leaves",
            (int64_t)args.size());
    const size_t leaves = (args.size() - 2) / 4;
    struct Leaf {
      Part<const float> g;
      Part<float> w, m, v;
      int64_t first_chunk;
    };
    std::vector<Leaf> all(leaves);
    constexpr int64_t chunk = 1 << 15;
    int64_t chunks = 0;
    for (auto& leaf : all) {
      leaf.g = buffers.argument<float>("gradient", {-1});
      const int64_t n = leaf.g.tail[0];
      leaf.w = buffers.state<float>("parameter", {n});
      leaf.m = buffers.state<float>("mu", {n});
      leaf.v = buffers.state<float>("nu", {n});
      leaf.first_chunk = chunks;
      chunks += (n + chunk - 1) / chunk;
    }
    const int64_t members = buffers.finish();
    auto one = [&](long i) {
      const auto place = buffers.place(i / chunks);
      const float* n = numbers.at(place);
      Numbers given = {};
      given.b1 = n[0], given.b2 = n[1], given.eps = n[2], given.eps_root = n[3], given.weight_decay = n[4];
      size_t k = leaves - 1;
      while (all[k].first_chunk > i % chunks) k--;
      const Leaf& l = all[k];
      const int64_t at = (i % chunks - l.first_chunk) * chunk, size = std::min(chunk, l.g.tail[0] - at);
      float *w = l.w.at(place) + at, *m = l.m.at(place) + at, *v = l.v.at(place) + at;
      kernels().adam(&given, nesterov != 0, *count.at(place), n[5], size, l.g.at(place) + at, w, m, v, w, m, v);
    };
    return for_each(pool, members * chunks, std::max<int64_t>(1, pool.num_threads()), one) ? ffi::Error::Success()
                                                                                 : throw std::bad_alloc();
  });
}

}  // namespace
}  // namespace jaxbm

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_adam, jaxbm::adam,
                              ffi::Ffi::Bind().Ctx<jaxbm::Pool>().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("lead").Attr<int64_t>("nesterov"));
