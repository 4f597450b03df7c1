// Threads that work on one run in step with each other: who does which share, and where they meet.
#pragma once
#include <sched.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "kernel.h"

namespace jaxbm {
namespace {

struct Share {
  int rank, size;
  long first(long units) const { return units * rank / size; }
  long last(long units) const { return units * (rank + 1) / size; }
  bool is_last() const { return rank == size - 1; }
};

inline void barrier(Team* team) {
  if (team->size <= 1) return;
  int generation = __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) == team->size) {
    __atomic_store_n(&team->arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team->generation, generation + 1, __ATOMIC_RELEASE);
    return;
  }
  for (int spins = 0; __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE) == generation; spins++) {
#if defined(__x86_64__)
    _mm_pause();
#endif
    if (spins > 4000) sched_yield();  // more threads than cores
  }
}

// Subnormal numbers as zero while in scope: they cost a hundred cycles each, and XLA does the same.
class FlushToZero {
 public:
#if defined(__x86_64__)
  FlushToZero() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~FlushToZero() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  FlushToZero() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(saved_ | (1ull << 24)));
  }
  ~FlushToZero() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }

 private:
  uint64_t saved_;
#else
  FlushToZero() {}
#endif
};

}  // namespace
}  // namespace jaxbm
