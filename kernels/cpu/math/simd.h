// One vector type of VL floats, and what processors do with it. VL is 16 (AVX-512), 8 (AVX2) or 4.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define INLINE_MEMBER inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

namespace jaxbm {
namespace {

typedef float Vec __attribute__((vector_size(VL * 4)));
typedef float VecUnaligned __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t Int __attribute__((vector_size(VL * 4)));
typedef int32_t IntUnaligned __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef uint32_t Word __attribute__((vector_size(VL * 4)));

INLINE Vec load(const float* p) { return *(const VecUnaligned*)p; }
INLINE void store(float* p, Vec x) { *(VecUnaligned*)p = x; }
INLINE Vec all(float x) { return x - (Vec){}; }
INLINE Vec select(Int mask, Vec yes, Vec no) { return mask ? yes : no; }
INLINE Vec larger(Vec a, Vec b) { return select(a > b, a, b); }   // b where a is NaN
INLINE Vec smaller(Vec a, Vec b) { return select(a < b, a, b); }  // b where a is NaN
// max(z, 0), NaN where z is.
INLINE Vec rectified(Vec z) {
#if VL == 16
  return (Vec)_mm512_maskz_max_ps((__mmask16)-1, __m512{}, (__m512)z);
#else
  return select(z <= 0.f, Vec{}, z);
#endif
}
INLINE Vec magnitude(Vec a) { return (Vec)((Int)a & 0x7fffffff); }

INLINE Int lanes() {
  Int r;
  for (int i = 0; i < VL; i++) r[i] = i;
  return r;
}

// Contraction is off for the whole file (-ffp-contract=off), so every fused operation is written: results can't
// depend on what the compiler makes of one template instance or another.
INLINE Vec fma(Vec a, Vec b, Vec c) {
#if VL == 16
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VL == 8
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

INLINE Vec root(Vec x) {
#if VL == 16
  return (Vec)_mm512_maskz_sqrt_ps((__mmask16)-1, (__m512)x);  // gcc 12 warns of the plain one
#elif VL == 8
  return (Vec)_mm256_sqrt_ps((__m256)x);
#elif defined(__x86_64__)
  return (Vec)_mm_sqrt_ps((__m128)x);
#else
  for (int i = 0; i < VL; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// The sum of the lanes, in one fixed order.
INLINE float total(Vec a) {
  float t[VL];
  store(t, a);
  for (int half = VL / 2; half; half /= 2)
    for (int i = 0; i < half; i++) t[i] += t[i + half];
  return t[0];
}

// The first n < VL floats at p, the rest zero.
INLINE Vec load_first(const float* p, long n) {
#if VL == 16
  return (Vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  Vec r = {};
  for (long i = 0; i < n; i++) r[i] = p[i];
  return r;
#endif
}

INLINE void store_first(float* p, Vec x, long n) {
#if VL == 16
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#else
  for (long i = 0; i < n; i++) p[i] = x[i];
#endif
}

// x in the lanes where what is at p is positive; the others must be zero already.
INLINE void store_where_positive(float* p, Vec x) {
#if VL == 16
  _mm512_mask_storeu_ps(p, _mm512_cmp_ps_mask((__m512)load(p), __m512{}, _CMP_GT_OQ), (__m512)x);
#else
  store(p, select(load(p) > 0.f, x, Vec{}));
#endif
}

}  // namespace
}  // namespace jaxbm
