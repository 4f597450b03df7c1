// Which of the compiled instruction sets this processor runs.
#pragma once
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "kernel.h"

namespace jaxbm {

// JAXBM_HAS_...: what was compiled; all that are known, but in a build for tests.
extern const Kernels kernels_v2, kernels_v3, kernels_v4, kernels_v4_amx, kernels_generic;

#if defined(__x86_64__)
// By single features, since not every compiler knows the names of the levels here; a processor that has these has
// the rest of its level.
inline bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
inline bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512cd");
}

// Tiles of bfloat16, which Linux gives to processes that ask.
inline bool has_amx() {
#if defined(__linux__)
  constexpr unsigned kBfloat16 = 1u << 22, kTile = 1u << 24, kLeaf = 7;  // of CPUID's register edx
  constexpr long kRequestPermission = 0x1023, kTileData = 18;             // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a, b, c, d;
  return has_v4() && __get_cpuid_count(kLeaf, 0, &a, &b, &c, &d) && (d & kBfloat16) && (d & kTile) &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

// The best one, or a lesser one named by the environment variable JAXBM_ISA ("v2", "v3", "v4", "v4_amx").
inline const Kernels& pick_kernels() {
#if defined(__x86_64__)
  [[maybe_unused]] const char* asked = std::getenv("JAXBM_ISA");
  [[maybe_unused]] auto may = [asked](const char* name) {
    return asked == nullptr || *asked == 0 || std::strcmp(asked, name) >= 0;
  };
  __builtin_cpu_init();
#if defined(JAXBM_HAS_v4_amx)
  if (may("v4_amx") && has_amx()) return kernels_v4_amx;
#endif
#if defined(JAXBM_HAS_v4)
  if (has_v4() && may("v4")) return kernels_v4;
#endif
#if defined(JAXBM_HAS_v3)
  if (has_v3() && may("v3")) return kernels_v3;
#endif
#endif
#if defined(JAXBM_HAS_v2)
  return kernels_v2;
#elif defined(JAXBM_HAS_generic)
  return kernels_generic;
#else
  std::abort();  // a build for tests, on a processor that it is not for
#endif
}

inline const Kernels& kernels() {
  static const Kernels& chosen = pick_kernels();
  return chosen;
}

// Those for a network that works on so many rows at once: without tiles, code that knows none is a little faster.
inline const Kernels& kernels_for(const Spec& spec, long rows) {
#if defined(JAXBM_HAS_v4_amx) && defined(JAXBM_HAS_v4)
  if (&kernels() == &kernels_v4_amx && !kernels_v4_amx.on_tiles(&spec, rows)) return kernels_v4;
#endif
  (void)spec, (void)rows;
  return kernels();
}

}  // namespace jaxbm
