// Exponentials, logarithms and what is made of them, on vectors.
#pragma once
#include "math/simd.h"

namespace jaxbm {
namespace {

// Polynomials below are this project's own least-squares fits on Chebyshev nodes; the errors given are the largest
// relative ones over the interval, in exact arithmetic.
template <int N>
INLINE Vec polynomial(Vec x, const float (&c)[N]) {
  Vec r = all(c[N - 1]);
  UNROLL for (int i = N - 2; i >= 0; i--) r = fma(r, x, all(c[i]));
  return r;
}

struct Split {
  Vec rest;
  Int exponent;
};

// x = exponent * log(2) + rest, |rest| <= log(2) / 2, for |x| < 2**21.
INLINE Split split_exponent(Vec x) {
  const Vec magic = all(12582912.f);  // 1.5 * 2**23: adding it rounds to an integer
  Vec t = fma(x, all(1.44269504088896341f), magic);
  Vec n = t - magic;
  Vec r = fma(n, all(-0.693359375f), x);
  return {fma(n, all(2.12194440e-4f), r), (Int)t - (Int)magic};
}

INLINE Vec power_of_two(Int n) { return (Vec)((n + 127) << 23); }

// expm1 on |r| <= log(2) / 2: r + r**2 * fit, 5e-10.
INLINE Vec small_expm1(Vec r) {
  const float c[] = {0.5f, 0.16666667163372040f, 0.041666463017463684f, 0.0083332983776927f, 0.0013933733571320772f,
                     0.00019899391918443143f};
  return fma(r * r, polynomial(r, c), r);
}

INLINE Vec keep_nan(Vec x, Vec y) { return select(x == x, y, x); }

INLINE Vec exp(Vec x) {
  Split s = split_exponent(smaller(larger(x, all(-87.3f)), all(88.7f)));
  // In two factors, since 2**128 is not a float although e**88.7 is.
  Int half = s.exponent >> 1;
  Vec y = (small_expm1(s.rest) + 1.f) * power_of_two(half) * power_of_two(s.exponent - half);
  y = select(x < -87.3f, Vec{}, y);
  return keep_nan(x, select(x > 88.7f, all(__builtin_inff()), y));
}

INLINE Vec expm1(Vec x) {
  Split s = split_exponent(smaller(larger(x, all(-20.f)), all(88.f)));
  Vec p = power_of_two(s.exponent);
  Vec y = fma(p, small_expm1(s.rest), p - 1.f);
  return keep_nan(x, select(x > 88.f, all(__builtin_inff()), y));
}

// Natural logarithm of a positive normal number; log(1 + f) = f - f**2 / 2 + f**3 * fit, 4e-9.
INLINE Vec log(Vec x) {
  const float c[] = {0.3333333134651184f,   -0.24999989569187164f, 0.20000708103179932f,
                     -0.1666848063468933f,  0.14249937236309052f,  -0.12411050498485565f,
                     0.11661510914564133f,  -0.115712009370327f,   0.07149753719568253f};
  Int e = ((Int)x - 0x3f3504f3) >> 23;  // 0x3f3504f3 is sqrt(1/2)
  Vec n = __builtin_convertvector(e, Vec);
  Vec f = (Vec)((Int)x - (e << 23)) - 1.f;
  Vec z = f * f;
  Vec y = fma(z * f, polynomial(f, c), n * -2.12194440e-4f);
  y = fma(n, all(0.693359375f), fma(z, all(-0.5f), y) + f);
  return keep_nan(x, select(x == __builtin_inff(), x, y));
}

// log(1 + u) for u >= 0, to full relative precision: log(w) * u / (w - 1) with w = fl(1 + u) (Kahan).
INLINE Vec log1p(Vec u) {
  Vec w = u + 1.f, d = w - 1.f;
  return select(d == 0.f, u, log(w) * (u / select(d == 0.f, all(1.f), d)));
}

INLINE Vec tanh(Vec x) {
  Vec t = expm1(smaller(larger(x, all(-10.f)), all(10.f)) * 2.f);
  return keep_nan(x, t / (t + 2.f));
}

// 1 / (1 + e**-x), without overflow on either side.
INLINE Vec sigmoid(Vec x) {
  Vec e = exp(-magnitude(x));
  return select(x < 0.f, e, keep_nan(x, all(1.f))) / (e + 1.f);
}

// log(1 + e**x)
INLINE Vec softplus(Vec x) { return select(x > 0.f, x, Vec{}) + log1p(exp(-magnitude(x))); }

// The normal distribution function, from erfc(a) = e**(-a**2) * t * fit(t), t = 1 / (1 + a / 2), 6e-9 for a <= 10.
INLINE Vec normal_cdf(Vec x) {
  const float c[] = {0.2820855379104614f,   0.28232550621032715f, 0.24440772831439972f, 0.1902015209197998f,
                     0.03761165216565132f,  0.07794681191444397f, -0.09191610664129257f, -0.21356771886348724f,
                     0.3290216624736786f,   -0.17029601335525513f, 0.03217942267656326f};
  Vec a = smaller(magnitude(x), all(14.f)) * 0.70710678118654752f;
  Vec t = 1.f / fma(a, all(0.5f), all(1.f));
  Vec q = exp(-a * a) * (t * 0.5f) * polynomial(t, c);
  return keep_nan(x, select(x < 0.f, q, 1.f - q));
}

}  // namespace
}  // namespace jaxbm
