// Lets the kernel compile as ordinary C++20. A block's threads are fibers of one thread that take turns at barriers and
// shuffles: quick, and the same every time. ThreadSanitizer is told of the fibers, and that neither a switch nor a
// shuffle orders anything, so it sees a missing barrier. Under AddressSanitizer they are threads of their own.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define SHARED_FLOATS(name) float* const name = emulation::self->block->shared
#define threadIdx (emulation::self->thread)
#define blockIdx (emulation::self->in_grid)

#ifdef __SANITIZE_ADDRESS__
#include <thread>
#endif
#if defined(__SANITIZE_THREAD__)
extern "C" void* __tsan_get_current_fiber();
extern "C" void* __tsan_create_fiber(unsigned);
extern "C" void __tsan_destroy_fiber(void*);
extern "C" void __tsan_switch_to_fiber(void*, unsigned);  // 1: the switch orders nothing
extern "C" void AnnotateIgnoreSyncBegin(const char*, int);
extern "C" void AnnotateIgnoreSyncEnd(const char*, int);
#define UNSEEN static __attribute__((no_sanitize("thread"), noinline))
#else
#define UNSEEN inline
#define AnnotateIgnoreSyncBegin(...)
#define AnnotateIgnoreSyncEnd(...)
#endif

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};

namespace emulation {

struct Index {
  unsigned x;
};
struct Copy {
  float* to;
  const void* from;
  int bytes;
};
struct Block;
struct Thread {
  Index thread, in_grid;
  Block* block;
  int shuffles = 0;
  bool started = false, done = false;
  std::vector<Copy> copies;  // not yet carried out
  jmp_buf at;
  ucontext_t context;
  void* sanitizers = nullptr;
  std::unique_ptr<char[]> stack;
};
inline thread_local Thread* self;
constexpr size_t kStack = 256 * 1024;

#ifndef __SANITIZE_ADDRESS__
UNSEEN void yield();
#endif

class Barrier {
 public:
  explicit Barrier(int n) : n_(n), left_(n) {}
  void wait() {
    const unsigned phase = phase_.load(std::memory_order_acquire);
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      left_.store(n_, std::memory_order_relaxed);
      phase_.fetch_add(1, std::memory_order_acq_rel);
#ifdef __SANITIZE_ADDRESS__
      phase_.notify_all();
    } else {
      while (phase_.load(std::memory_order_acquire) == phase) phase_.wait(phase, std::memory_order_acquire);
    }
#else
    } else {
      while (phase_.load(std::memory_order_acquire) == phase) yield();
    }
#endif
  }

 private:
  const int n_;
  std::atomic<int> left_;
  std::atomic<unsigned> phase_{0};
};

struct Warp {
  Barrier barrier{32};
  std::atomic<uint32_t> values[2][32], factors[2][32][6];
};

struct Block {
  Block(unsigned count, unsigned number, size_t bytes, void (*kernel)(const void*), const void* argument)
      : barrier(count), warps(count / 32), threads(count), kernel(kernel), argument(argument) {
    shared = static_cast<float*>(std::aligned_alloc(16, (bytes + 15) / 16 * 16));
    std::memset(shared, 0xff, bytes);  // NaN until the kernel writes it
    for (unsigned t = 0; t < count; t++) threads[t].thread = {t}, threads[t].in_grid = {number}, threads[t].block = this;
  }
  ~Block() { std::free(shared); }
  void run();

  Barrier barrier;
  std::vector<Warp> warps;
  std::vector<Thread> threads;
  void (*kernel)(const void*);
  const void* argument;
  float* shared;
  jmp_buf home;
  ucontext_t home_context;
  void* home_of_sanitizer = nullptr;
  Thread* all = nullptr;
  std::atomic<unsigned> ended{0};
  unsigned n = 0;
};

#if defined(__SANITIZE_ADDRESS__)
inline void Block::run() {
  std::vector<std::thread> running;
  for (auto& t : threads)
    running.emplace_back([&] {
      self = &t;
      kernel(argument);
    });
  for (auto& r : running) r.join();
}
#elif defined(__SANITIZE_THREAD__)
UNSEEN void go(ucontext_t* from, Thread* t) {
  self = t;
  __tsan_switch_to_fiber(t->sanitizers, 1);
  swapcontext(from, &t->context);
}
UNSEEN void yield() {
  Thread* from = self;
  Block* block = from->block;
  for (unsigned k = 1, n = block->n, i = from - block->all; k <= n; k++) {
    Thread* next = block->all + (i + k) % n;
    if (!next->done) return go(&from->context, next);
  }
  __tsan_switch_to_fiber(block->home_of_sanitizer, 0);
  setcontext(&block->home_context);
}
UNSEEN void finish() {
  self->done = true;
  while (true) yield();
}
inline void enter() {
  self->block->kernel(self->block->argument);
  self->block->ended.fetch_add(1, std::memory_order_acq_rel);
  finish();
}
inline void Block::run() {
  home_of_sanitizer = __tsan_get_current_fiber();
  all = threads.data(), n = threads.size();
  for (auto& t : threads) {
    t.stack.reset(new char[kStack]);
    getcontext(&t.context);
    t.context.uc_stack.ss_sp = t.stack.get();
    t.context.uc_stack.ss_size = kStack;
    t.context.uc_link = nullptr;
    makecontext(&t.context, enter, 0);
    t.sanitizers = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(t.sanitizers, 0);  // orders what was done here before what the fiber does
    __tsan_switch_to_fiber(home_of_sanitizer, 0);
  }
  go(&home_context, all);
  ended.load(std::memory_order_acquire);
  for (auto& t : threads) __tsan_destroy_fiber(t.sanitizers);
}
#else
inline void enter() {
  self->block->kernel(self->block->argument);
  self->done = true;
  while (true) yield();
}
inline void go_to(Thread& t) {
  self = &t;
  if (t.started) _longjmp(t.at, 1);
  t.started = true;
  t.stack.reset(new char[kStack]);
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = t.stack.get();
  context.uc_stack.ss_size = kStack;
  context.uc_link = nullptr;
  makecontext(&context, enter, 0);
  setcontext(&context);
}
inline void yield() {  // to the next thread that isn't through; a jump costs a tenth of a change of contexts
  Thread* from = self;
  Block& block = *from->block;
  if (_setjmp(from->at)) return;
  const size_t n = block.threads.size(), i = from - block.threads.data();
  for (size_t k = 1; k <= n; k++) {
    Thread& next = block.threads[(i + k) % n];
    if (!next.done) go_to(next);
  }
  _longjmp(block.home, 1);
}
inline void Block::run() {
  if (_setjmp(home) == 0) go_to(threads[0]);
}
#endif

// The values cross at a barrier of the warp.
inline uint32_t exchange(uint32_t value, int source) {
  Warp& warp = self->block->warps[threadIdx.x / 32];
  auto& values = warp.values[self->shuffles++ & 1];
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  values[threadIdx.x % 32].store(value, std::memory_order_relaxed);
  warp.barrier.wait();
  const uint32_t got = values[source & 31].load(std::memory_order_relaxed);
  AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  return got;
}

// What a tensor core takes of a number, and how it adds: exact products, and of a sum what float32 holds, towards zero.
inline double ten_bits(uint32_t bits) {
  float x;
  bits &= 0xffffe000u;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline float towards_zero(double x) {
  const float y = static_cast<float>(x);
  return std::abs(static_cast<double>(y)) > std::abs(x) ? std::nextafter(y, 0.f) : y;
}

// c += a b, each lane with its share; the factors cross at a barrier of the warp.
inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Warp& warp = self->block->warps[threadIdx.x / 32];
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  auto& factors = warp.factors[self->shuffles++ & 1];
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  for (int i = 0; i < 4; i++) factors[lane][i].store(a[i], std::memory_order_relaxed);
  for (int i = 0; i < 2; i++) factors[lane][4 + i].store(b[i], std::memory_order_relaxed);
  warp.barrier.wait();
  for (int e = 0; e < 4; e++) {
    double sum = c[e];
    for (int k = 0; k < 8; k++) {
      const auto first = factors[g * 4 + k % 4][e / 2 + k / 4 * 2].load(std::memory_order_relaxed);
      const auto second = factors[(2 * t + e % 2) * 4 + k % 4][4 + k / 4].load(std::memory_order_relaxed);
      sum += ten_bits(first) * ten_bits(second);
    }
    c[e] = towards_zero(sum);
  }
  AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
}

inline void run(void (*kernel)(const void*), const void* argument, unsigned grid, unsigned threads, size_t bytes) {
  for (unsigned b = 0; b < grid; b++) Block(threads, b, bytes, kernel, argument).run();
}

}  // namespace emulation

inline void __syncthreads() { emulation::self->block->barrier.wait(); }
inline void __syncwarp() { emulation::self->block->warps[threadIdx.x / 32].barrier.wait(); }

template <class T>
inline T __shfl_sync(unsigned, T value, int source) {
  static_assert(sizeof(T) == 4);
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = emulation::exchange(bits, source);
  std::memcpy(&value, &bits, 4);
  return value;
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return __shfl_sync(mask, value, (threadIdx.x % 32) ^ lanes);
}

// Asynchronous copies happen as late as they may: at the wait. A missing wait shows as old data.
template <int BYTES>
inline void copy_async(float* to, const void* from) {
  if (reinterpret_cast<uintptr_t>(to) % BYTES || reinterpret_cast<uintptr_t>(from) % BYTES) std::abort();
  emulation::self->copies.push_back({to, from, BYTES});
}
inline void copy_async_wait() {
  for (auto& c : emulation::self->copies)
    for (int i = 0; i < c.bytes / 4; i++) c.to[i] = static_cast<const float*>(c.from)[i];
  emulation::self->copies.clear();
}

using emulation::multiply_add;
inline uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float bits_float(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline uint32_t to_tf32(float x) {
  if (std::isnan(x)) return 0x7fffe000u;
  return (float_bits(x) + 0xfffu + (float_bits(x) >> 13 & 1)) & 0xffffe000u;
}
inline float inverse(float x) { return 1 / x; }
inline float root(float x) { return std::sqrt(x); }
inline int fresh(int i) { return i; }
inline int __float_as_int(float x) {
  int i;
  std::memcpy(&i, &x, 4);
  return i;
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint64_t>(a) * b >> 32; }
