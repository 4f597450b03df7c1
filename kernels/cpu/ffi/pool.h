// Work spread over XLA's own thread pool.
#pragma once
#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "kernel.h"
#include "xla/ffi/api/ffi.h"

namespace jaxbm {

// Memory that a thread keeps between calls, up to a limit.
class Workspace {
 public:
  ~Workspace() { std::free(data_); }

  char* get(size_t bytes) {
    if (bytes <= size_) return static_cast<char*>(data_);
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
    const size_t page = bytes >= kHuge ? kHuge : 4096, rounded = (bytes + page - 1) / page * page;
    data_ = std::aligned_alloc(page, rounded);
    if (data_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (page == kHuge) madvise(data_, rounded, MADV_HUGEPAGE);
#endif
    size_ = rounded;
    return static_cast<char*>(data_);
  }

  void trim() {
    if (size_ <= kKept) return;
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
  }

 private:
  static constexpr size_t kHuge = 2 << 20, kKept = 32 << 20;
  void* data_ = nullptr;
  size_t size_ = 0;
};

inline Workspace& workspace() {
  static thread_local Workspace mine;
  return mine;
}

// XLA's thread pool, asked through the C interface. The header's own ThreadPool reads a refusal's message by a call
// whose arguments jaxlib 0.12 made longer: built against older headers, it would have the runtime write past them.
class Pool {
 public:
  Pool(const XLA_FFI_Api* api, XLA_FFI_ExecutionContext* ctx) : api_(api), ctx_(ctx) {}

  // 0 where there is none.
  int64_t num_threads() const {
    int64_t threads = 0;
    XLA_FFI_ThreadPool_NumThreads_Args args = {};
    args.struct_size = XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE;
    args.ctx = ctx_;
    args.num_threads = &threads;
    return taken(api_->XLA_FFI_ThreadPool_NumThreads(&args)) ? threads : 0;
  }

  // Runs f() later on one of the threads, or at once on this one where the pool refuses it.
  template <class F>
  void schedule(F f) const {
    XLA_FFI_ThreadPool_Schedule_Args args = {};
    args.struct_size = XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE;
    args.ctx = ctx_;
    args.task = [](void* data) { (*std::unique_ptr<F>(static_cast<F*>(data)))(); };
    args.data = new F(std::move(f));
    if (!taken(api_->XLA_FFI_ThreadPool_Schedule(&args))) args.task(args.data);
  }

 private:
  bool taken(XLA_FFI_Error* error) const {
    if (error == nullptr) return true;
    XLA_FFI_Error_Destroy_Args args = {};
    args.struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE;
    args.error = error;
    api_->XLA_FFI_Error_Destroy(&args);
    return false;
  }

  const XLA_FFI_Api* api_;
  XLA_FFI_ExecutionContext* ctx_;
};

// Calls task(i) for every i below `tasks`, on this thread and up to `threads - 1` others. Returns when all are
// done; waits only for helpers that started. False if memory ran out.
template <class Task>
bool for_each(const Pool& pool, long tasks, long threads, Task task) {
  struct Shared {
    std::atomic<long> next{0}, done{0};
    std::atomic<bool> failed{false};
    Task task;
    long tasks;
    explicit Shared(Task t, long n) : task(std::move(t)), tasks(n) {}
    void work() {
      for (long i; (i = next.fetch_add(1)) < tasks;) {
        try {
          if (!failed) task(i);
        } catch (const std::bad_alloc&) {
          failed = true;
        }
        done.fetch_add(1, std::memory_order_acq_rel);
      }
      workspace().trim();
    }
  };
  auto shared = std::make_shared<Shared>(std::move(task), tasks);
  const long helpers = (threads < tasks ? threads : tasks) - 1;
  for (long i = 0; i < helpers; i++) pool.schedule([shared] { shared->work(); });
  shared->work();
  while (shared->done.load(std::memory_order_acquire) < tasks) std::this_thread::yield();
  return !shared->failed;
}

// While in scope this thread stays off a processor: after a pause the scheduler wakes helpers up where their caller runs,
// and two that wait for each other take turns there for a whole run, since neither waits long enough to be moved.
class OffProcessor {
 public:
#if defined(__linux__)
  static int current() { return sched_getcpu(); }
  explicit OffProcessor(int taken) {
    if (taken < 0 || sched_getcpu() != taken || sched_getaffinity(0, sizeof before_, &before_) != 0) return;
    cpu_set_t others = before_;
    CPU_CLR(taken, &others);
    moved_ = CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0;
  }
  ~OffProcessor() {
    if (moved_) sched_setaffinity(0, sizeof before_, &before_);
  }

 private:
  cpu_set_t before_;
  bool moved_ = false;
#else
  static int current() { return -1; }
  explicit OffProcessor(int) {}
#endif
};

// Calls task(&team, rank) on this thread and on those of up to `threads - 1` helpers that start within `patience`
// seconds: a sleeping thread of the pool takes tens of microseconds to wake up. What became of the team.
template <class Task>
Team as_team(const Pool& pool, long threads, double patience, bool may_dissolve, Task task) {
  struct Shared {
    std::atomic<int> arrived{0}, size{0}, done{0};
    Team team{1, 0, 0};
    Task task;
    const std::thread::id caller = std::this_thread::get_id();
    const int processor = OffProcessor::current();
    explicit Shared(Task t) : task(std::move(t)) {}
  };
  constexpr int kClosed = -(1 << 30);
  auto shared = std::make_shared<Shared>(std::move(task));
  for (long i = 1; i < threads; i++)
    pool.schedule([shared] {
      if (std::this_thread::get_id() == shared->caller) return;  // a pool that refuses runs it here and now
      const OffProcessor apart(shared->processor);
      const int rank = shared->arrived.fetch_add(1) + 1;
      if (rank <= 0) return;  // too late: the others have begun
      while (shared->size.load(std::memory_order_acquire) == 0) std::this_thread::yield();
      shared->task(&shared->team, rank);
      shared->done.fetch_add(1, std::memory_order_acq_rel);
    });
  const auto closes = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
  while (shared->arrived.load() < threads - 1 && std::chrono::steady_clock::now() < closes) std::this_thread::yield();
  const int helpers = shared->arrived.exchange(kClosed);
  shared->team.size = helpers + 1;
  shared->team.may_dissolve = may_dissolve;
  shared->size.store(helpers + 1, std::memory_order_release);
  shared->task(&shared->team, 0);
  while (shared->done.load(std::memory_order_acquire) < helpers) std::this_thread::yield();
  return shared->team;
}

}  // namespace jaxbm

template <>
struct xla::ffi::CtxDecoding<jaxbm::Pool> {
  using Type = jaxbm::Pool;

  static std::optional<Type> Decode(const XLA_FFI_Api* api, XLA_FFI_ExecutionContext* ctx, DiagnosticEngine&) {
    return Type(api, ctx);
  }
};
