// The machine's limits by the plainest code that reaches them: chains of multiply-adds in registers, and loops over
// arrays far larger than any cache. Called through ctypes; the arithmetic of one instruction set per object file.
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
extern "C" void peak_v2(int64_t, float*);
extern "C" void peak_v3(int64_t, float*);
extern "C" void peak_v4(int64_t, float*);
#else
extern "C" void peak_generic(int64_t, float*);
#endif

namespace {

using Peak = void (*)(int64_t, float*);

struct Choice {
  Peak function;
  int lanes;
};

Choice choice() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return {peak_v4, 16};
  if (__builtin_cpu_supports("x86-64-v3")) return {peak_v3, 8};
  return {peak_v2, 4};
#else
  return {peak_generic, 4};
#endif
}

// Seconds from the start of the first thread's work to the end of the last one's; the caller is one of them.
template <class Work>
double seconds(int threads, Work work) {
  auto began = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (auto& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// The part of n elements that belongs to thread t.
template <class Body>
double over_parts(int threads, int64_t n, Body body) {
  return seconds(threads, [=](int t) { body(n * t / threads, n * (t + 1) / threads); });
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// Floating-point operations per second of multiply-adds that never leave the registers.
EXPORT double jaxbm_peak(int threads, int64_t iterations) {
  constexpr int chains = 12;  // PEAK_CHAINS of peak.cc
  Choice chosen = choice();
  std::vector<float> sink(64 * threads);
  float* out = sink.data();
  double took = seconds(threads, [=](int t) { chosen.function(iterations, out + 64 * t); });
  return 2.0 * chains * chosen.lanes * iterations * threads / took;
}

// Seconds of a = b + s * c.
EXPORT double jaxbm_triad(int threads, int64_t n, float* a, const float* b, const float* c) {
  return over_parts(threads, n, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) a[i] = b[i] + 0.5f * c[i];
  });
}

// Seconds of a loop with Adam's traffic (four arrays read, three of them written) and next to no arithmetic.
EXPORT double jaxbm_seven_streams(int threads, int64_t n, const float* __restrict g, float* __restrict p,
                                  float* __restrict m, float* __restrict v) {
  return over_parts(threads, n, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      m[i] = 0.9f * m[i] + g[i];
      v[i] = 0.99f * v[i] + g[i];
      p[i] = p[i] - 1e-6f * m[i];
    }
  });
}
