// As many independent chains of multiply-adds as hide the latency of two units, in registers only.
#include <cstdint>
#include <cstring>

#define PEAK_CHAINS 12

typedef float vec __attribute__((vector_size(4 * VL)));

extern "C" void PEAK(int64_t iterations, float* out) {
  vec acc[PEAK_CHAINS], a, b;
  for (int l = 0; l < VL; ++l) {
    a[l] = 0.999f;
    b[l] = 1e-3f * (l + 1);
  }
  for (auto& chain : acc) chain = b;
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int k = 0; k < PEAK_CHAINS; ++k) acc[k] = acc[k] * a + b;
  }
  for (int k = 1; k < PEAK_CHAINS; ++k) acc[0] += acc[k];
  std::memcpy(out, &acc[0], sizeof(vec));
}
