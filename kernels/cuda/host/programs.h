// The programs that Python compiled, by number, and where they are loaded.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "driver.h"

namespace jaxbm::cuda {

constexpr int kDefaultShared = 48 * 1024;

struct Program {
  bool pending = true;  // it is being compiled, beside XLA's own work
  std::vector<char> image;
  std::string failure;
};

struct Loaded {
  Function* function = nullptr;
  int shared = kDefaultShared;  // dynamic shared memory that it may have
};

struct State {
  std::mutex mutex;
  std::condition_variable arrived;
  std::string path = "libcuda.so.1";
  std::unique_ptr<Driver> driver;
  std::map<int64_t, Program> programs;
  std::map<std::pair<Context*, int64_t>, Loaded> loaded;
};

inline State& state() {
  static State* s = new State;  // never destroyed: XLA's threads may outlive the main thread's statics
  return *s;
}

inline const Driver& driver(State& s) {  // with the lock held
  if (!s.driver) s.driver = std::make_unique<Driver>(s.path.c_str());
  return *s.driver;
}

// The program's function in the current context, allowed `shared` bytes; loaded at the first call. Returns why it can't
// be had, or nothing.
inline std::string find(State& s, const Driver& d, Context* context, int64_t id, int shared, Function** function) {
  std::unique_lock<std::mutex> lock(s.mutex);
  const auto program = s.programs.find(id);
  if (program == s.programs.end())
    return "the program is not known in this process: what was compiled with it has to be traced here once";
  s.arrived.wait(lock, [&] { return !program->second.pending; });
  if (!program->second.failure.empty()) return program->second.failure;
  Loaded& loaded = s.loaded[{context, id}];
  if (loaded.function == nullptr) {
    Module* module = nullptr;
    Function* found = nullptr;
    if (Result code = d.load_module(&module, program->second.image.data()))
      return d.failed("loading the kernel (cuModuleLoadData)", code);
    if (Result code = d.get_function(&found, module, "train")) return d.failed("cuModuleGetFunction", code);
    d.set_attribute(found, kSharedCarveout, 100);  // a wish; it matters for the number of blocks on a multiprocessor
    loaded.function = found;
  }
  if (shared > loaded.shared) {
    if (Result code = d.set_attribute(loaded.function, kMaxDynamicShared, shared))
      return d.failed("asking for " + std::to_string(shared) + " bytes of shared memory a block", code);
    loaded.shared = shared;
  }
  *function = loaded.function;
  return "";
}

}  // namespace jaxbm::cuda
