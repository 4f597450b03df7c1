// The few functions of the CUDA driver that a launch needs, found in libcuda at first use: nothing of CUDA's is needed
// to build this, and a machine without a GPU loads it all the same.
#pragma once
#include <dlfcn.h>

#include <string>

namespace jaxbm::cuda {

using Result = int;  // CUresult; 0 is success
struct Context;
struct Module;
struct Function;
struct Stream;
constexpr int kMaxDynamicShared = 8, kSharedCarveout = 9;  // CUfunction_attribute
constexpr int kNoBinaryForGpu = 209;                       // CUresult

#define JAXBM_DRIVER_FUNCTIONS(F)                                \
  F(get_error_name, "cuGetErrorName", (Result, const char**))     \
  F(get_error_string, "cuGetErrorString", (Result, const char**)) \
  F(driver_version, "cuDriverGetVersion", (int*))                 \
  F(stream_context, "cuStreamGetCtx", (Stream*, Context**))       \
  F(push_context, "cuCtxPushCurrent_v2", (Context*))              \
  F(pop_context, "cuCtxPopCurrent_v2", (Context**))               \
  F(load_module, "cuModuleLoadData", (Module**, const void*))     \
  F(get_function, "cuModuleGetFunction", (Function**, Module*, const char*)) \
  F(set_attribute, "cuFuncSetAttribute", (Function*, int, int))   \
  F(launch, "cuLaunchKernel",                                     \
    (Function*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream*, void**, void**))

struct Driver {
#define JAXBM_DECLARE(name, symbol, arguments) Result(*name) arguments = nullptr;
  JAXBM_DRIVER_FUNCTIONS(JAXBM_DECLARE)
#undef JAXBM_DECLARE
  std::string missing;  // why it can't be used; empty where it can

  explicit Driver(const char* path) {
    void* library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      const char* why = dlerror();
      missing = std::string("the CUDA driver was not found: ") + (why ? why : path);
      return;
    }
#define JAXBM_FIND(name, symbol, arguments)                           \
  name = reinterpret_cast<decltype(name)>(dlsym(library, symbol));    \
  if (name == nullptr) missing = std::string("the CUDA driver ") + path + " lacks " symbol ": it is too old";
    JAXBM_DRIVER_FUNCTIONS(JAXBM_FIND)
#undef JAXBM_FIND
  }

  std::string failed(const std::string& what, Result code) const {
    const char *name = nullptr, *text = nullptr;
    get_error_name(code, &name);
    get_error_string(code, &text);
    return "CUDA: " + what + " failed: " + (name ? name : "unknown error") + " (" + std::to_string(code) + ")" +
           (text ? std::string(": ") + text : "") +
           (code == kNoBinaryForGpu ? "; the kernel was compiled for another architecture" : "");
  }
};

struct Pushed {  // a context that is current while this lives
  const Driver& driver;
  ~Pushed() {
    Context* popped;
    driver.pop_context(&popped);
  }
};

}  // namespace jaxbm::cuda
