// Which of the compiled instruction sets this processor runs.
#pragma once
#include <cstdlib>
#include <cstring>

#include "kernel.h"

namespace jaxbm {

#if defined(__x86_64__)
extern const Kernels kernels_v2, kernels_v3, kernels_v4;
#else
extern const Kernels kernels_generic;
#endif

// The best one, or a lesser one named by the environment variable JAXBM_ISA ("v2", "v3", "v4").
inline const Kernels& pick_kernels() {
#if defined(__x86_64__)
  const char* asked = std::getenv("JAXBM_ISA");
  auto may = [asked](const char* name) { return asked == nullptr || *asked == 0 || std::strcmp(asked, name) >= 0; };
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4") && may("v4")) return kernels_v4;
  if (__builtin_cpu_supports("x86-64-v3") && may("v3")) return kernels_v3;
  return kernels_v2;
#else
  return kernels_generic;
#endif
}

inline const Kernels& kernels() {
  static const Kernels& chosen = pick_kernels();
  return chosen;
}

}  // namespace jaxbm
