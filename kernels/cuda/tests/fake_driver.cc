// A libcuda for tests: checks what it is asked, and runs the emulated kernel. A "cubin" here is the text "EMULATION" and
// the path of a library made from emulate.cc. The function that `fake_failing` names fails.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace {
enum { kInvalidValue = 1, kOutOfMemory = 2, kInvalidImage = 200, kInvalidContext = 201, kNotFound = 500, kResources = 701 };
struct Context {
} the_context;
using Launch = int (*)(const void*, unsigned, unsigned, unsigned);
struct Module {
  void* library;
};
struct Function {
  Launch launch;
  int shared = 48 * 1024;
};
thread_local int depth = 0;
int counts[3];  // loads, launches, contexts that are still pushed

std::string failing;
bool fails(const char* function) { return failing == function; }
}  // namespace

extern "C" {
void fake_failing(const char* function) { failing = function; }
const int* fake_counts() { return counts; }

int cuGetErrorName(int code, const char** name) {
  *name = code == kInvalidValue     ? "CUDA_ERROR_INVALID_VALUE"
          : code == kOutOfMemory    ? "CUDA_ERROR_OUT_OF_MEMORY"
          : code == kInvalidImage   ? "CUDA_ERROR_INVALID_IMAGE"
          : code == kInvalidContext ? "CUDA_ERROR_INVALID_CONTEXT"
          : code == kNotFound       ? "CUDA_ERROR_NOT_FOUND"
          : code == 209             ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                    : "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES";
  return 0;
}
int cuGetErrorString(int, const char** text) { return *text = "said by the tests' driver", 0; }
int cuDriverGetVersion(int* version) { return *version = fails("cuDriverGetVersion") ? 11040 : 13000, 0; }
int cuStreamGetCtx(void*, Context** out) { return *out = &the_context, 0; }
int cuCtxPushCurrent_v2(Context* c) {
  if (c != &the_context) return kInvalidContext;
  return depth++, counts[2]++, 0;
}
int cuCtxPopCurrent_v2(Context** c) {
  if (depth < 1) return kInvalidContext;
  return depth--, counts[2]--, *c = &the_context, 0;
}
int cuModuleLoadData(Module** out, const void* image) {
  const char* text = static_cast<const char*>(image);
  if (depth < 1) return kInvalidContext;
  if (fails("architecture")) return 209;
  if (fails("cuModuleLoadData")) return kOutOfMemory;
  if (std::strncmp(text, "EMULATION", 9)) return kInvalidImage;
  void* library = dlopen(text + 9, RTLD_NOW | RTLD_LOCAL);
  if (!library) return std::fprintf(stderr, "%s\n", dlerror()), kInvalidImage;
  return *out = new Module{library}, counts[0]++, 0;
}
int cuModuleGetFunction(Function** out, Module* module, const char* name) {
  auto launch = reinterpret_cast<Launch>(dlsym(module->library, "emulated_launch"));
  if (!launch || std::strcmp(name, "train")) return kNotFound;
  return *out = new Function{launch}, 0;
}
int cuFuncSetAttribute(Function* f, int attribute, int value) {
  if (attribute == 9) return value < -1 || value > 100 ? kInvalidValue : 0;
  if (attribute != 8 || value < 0 || value > 227 * 1024) return kInvalidValue;
  return f->shared = value, 0;
}
int cuLaunchKernel(Function* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** parameters, void** extra) {
  if (depth < 1) return kInvalidContext;
  if (fails("cuLaunchKernel")) return kResources;
  if (!f || !gx || gy != 1 || gz != 1 || !bx || by != 1 || bz != 1 || bx > 1024 || stream || !parameters || extra)
    return kInvalidValue;
  if (static_cast<int>(shared) > f->shared) return kInvalidValue;
  counts[1]++;
  return f->launch(parameters[0], gx, bx, shared) ? kResources : 0;
}
}
