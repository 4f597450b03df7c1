// The arithmetic's table of functions. Compiled once per instruction set, with KERNELS its name; nothing from the
// standard library is included, since an inline function of it, compiled here for a newer instruction set, could be the
// one the linker keeps for everybody.
#include "mlp/along.h"
#include "mlp/shifted.h"
#include "mlp/train.h"

namespace jaxbm {
namespace {

// A step of Adam over flat arrays.
void adam(const Numbers* numbers, bool nesterov, long count, float rate, long n, const float* g, const float* w0,
          const float* m0, const float* v0, float* w, float* m, float* v) {
  FlushToZero scope;
  Decay decay;
  decay.start(*numbers, count);
  const Step s = adam_step(*numbers, nesterov, rate, decay);
  long i = 0;
  auto step = [&](auto in, auto out) __attribute__((always_inline)) {
    const Vec gradient = in(g);
    const Moments now = adam_moments<kUpdateAnyAdam>(gradient, in(m0), in(v0), s);
    const Vec root = adam_root<kUpdateAnyAdam>(now, s);
    out(w, adam_weight(in(w0), adam_quotient<kUpdateAnyAdam>(gradient, now.first, root, s), s));
    out(m, now.first);
    out(v, now.second);
  };
  for (; i + VL <= n; i += VL)
    step([i](const float* p) __attribute__((always_inline)) { return load(p + i); },
         [i](float* p, Vec x) __attribute__((always_inline)) { store(p + i, x); });
  const long rest = n - i;
  if (rest > 0)
    step([i, rest](const float* p) __attribute__((always_inline)) { return load_first(p + i, rest); },
         [i, rest](float* p, Vec x) __attribute__((always_inline)) { store_first(p + i, x, rest); });
}

void permutation(const uint32_t* words, uint32_t n, uint32_t first, long count, int32_t* out) {
  Permutation order;
  order.start({words[0], words[1]}, n);
  const Rows identity = {};
  order_rows(identity, Order{&order, nullptr, n}, first, count, out);
}

}  // namespace

extern const Kernels KERNELS;
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
const Kernels KERNELS = {TEXT(KERNELS), on_tiles,    train_bytes, train,         apply_bytes, apply_pack, apply,
                         weight_bytes,  along_bytes, along,       shifted_bytes, shifted,     adam,       permutation};

}  // namespace jaxbm
