// Threads that work on one run in step with each other: who does which share, and where they meet.
#pragma once
#include <sched.h>
#include <time.h>
#if defined(__linux__)
#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
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

// Rows are shared out in eights, so that only the last tile of each thread is a small one.
inline long row_share(Share share, long rows, bool last) {
  long units = (rows + 7) / 8, row = (last ? share.last(units) : share.first(units)) * 8;
  return row < rows ? row : rows;
}

// How a member of a team waits: awake while the others need microseconds, which is what they do on a free processor;
// then the processor goes to whoever else wants it, and in the end the thread sleeps until the last one wakes it. Awake
// for longer it would hold the processor that another program, or the very thread it waits for, could use.
constexpr int kSpins = 1000, kYields = 200;

inline void sleep_while(int* word, int value) {
#if defined(__linux__)
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
#else
  (void)word, (void)value;
  sched_yield();
#endif
}

inline void wake_all(int* word) {
#if defined(__linux__)
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
  (void)word;
#endif
}

inline int64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

template <class IsOver>
inline void wait_asleep(Team* team, int generation, IsOver is_over) {
  for (int i = 0; i < kYields; i++) {
    if (is_over()) return;
    sched_yield();
  }
  // In one total order with what the last one does: either it sees a sleeper, or the sleeper sees its generation.
  __atomic_add_fetch(&team->sleeping, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&team->generation, __ATOMIC_SEQ_CST) == generation) sleep_while(&team->generation, generation);
  __atomic_sub_fetch(&team->sleeping, 1, __ATOMIC_RELAXED);
}

inline void wait_while(Team* team, int generation) {
  const auto is_over = [&] { return __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE) != generation; };
  for (int i = 0; i < kSpins; i++) {
    if (is_over()) return;
#if defined(__x86_64__)
    _mm_pause();
#endif
  }
  const int64_t since = nanoseconds();
  wait_asleep(team, generation, is_over);
  __atomic_add_fetch(&team->waited, nanoseconds() - since, __ATOMIC_RELAXED);
}

inline void barrier(Team* team) {
  if (team->size <= 1) return;
  const int generation = __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) != team->size) return wait_while(team, generation);
  __atomic_store_n(&team->arrived, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&team->generation, generation + 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&team->sleeping, __ATOMIC_SEQ_CST) > 0) wake_all(&team->generation);
}

// Whether the members of a team keep each other busy, looked at now and then by rank 0. Where other programs have the
// processors, they mostly wait for each other: then rank 0 is as fast alone, and the rest is given back.
class Usefulness {
 public:
  bool is_lost(Team* team) {
    if (!team->may_dissolve || team->size <= 1) return false;
    const int64_t now = nanoseconds();
    if (now - since_ < kTeamWindow) return false;
    const int64_t waited = __atomic_exchange_n(&team->waited, 0, __ATOMIC_RELAXED), passed = now - since_;
    since_ = now;
    return is_useless(team->size, waited, passed);
  }

 private:
  int64_t since_ = nanoseconds();
};

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
