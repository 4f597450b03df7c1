// What CUDA has and C++ has not: the emulation of the tests brings its own. And what both share.
#pragma once

#ifdef EMULATED
#include "emulation.h"
#else

#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fc00000)
#define SHARED_FLOATS(name)              \
  extern __shared__ float4 name##_raw[]; \
  float* const name = reinterpret_cast<float*>(name##_raw)

// Copies from global to shared memory that pass by the registers and arrive by `copy_async_wait`.
template <int BYTES>
__device__ __forceinline__ void copy_async(float* to, const void* from) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  if constexpr (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(address), "l"(from) : "memory");
}
__device__ __forceinline__ void copy_async_wait() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// One rounding more than the exact functions, and a fifth of their time; denormal numbers stay.
__device__ __forceinline__ float root(float x) {
  float y;
  asm("sqrt.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float inverse(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// c += a b of a warp's 16 x 8 and 8 x 8 in TF32, each lane with its share.
__device__ __forceinline__ void multiply_add(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ unsigned float_bits(float x) { return __float_as_uint(x); }
__device__ __forceinline__ float bits_float(unsigned x) { return __uint_as_float(x); }
// The nearest number of ten bits.
__device__ __forceinline__ unsigned to_tf32(float x) {
  unsigned y;
#if __CUDA_ARCH__ >= 900
  asm("cvt.rn.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
#else
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
#endif
  return y;
}

// Hides where a number came from, so that what follows from it is not kept in registers (or spilled) meanwhile.
__device__ __forceinline__ int fresh(int i) {
  asm volatile("" : "+r"(i));
  return i;
}
#endif

#define DEVICE __device__ __forceinline__

using u32 = unsigned int;

DEVICE float4 load4(const float* p) { return *reinterpret_cast<const float4*>(p); }
DEVICE void store4(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }
DEVICE float2 load2(const float* p) { return *reinterpret_cast<const float2*>(p); }
DEVICE void store2(float* p, float2 v) { *reinterpret_cast<float2*>(p) = v; }
DEVICE float load1(const float* p) { return *p; }
DEVICE void store1(float* p, float v) { *p = v; }
DEVICE float part(const float4& v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

template <int N>
struct Const {
  static constexpr int value = N;
};
// f(Const<I>{}), ..., f(Const<N - 1>{}).
template <int I, int N, class F>
DEVICE void for_each(F f) {
  if constexpr (I < N) {
    f(Const<I>{});
    for_each<I + 1, N>(f);
  }
}

// The sum over a warp, on every lane.
DEVICE float warp_sum(float x) {
#pragma unroll
  for (int s = 16; s > 0; s /= 2) x += __shfl_xor_sync(0xffffffffu, x, s);
  return x;
}
