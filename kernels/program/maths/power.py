"""pow, sqrt, rsqrt and cbrt.

A constant exponent that is a multiple of a half is a product, which takes a fifth of the time of
pow(x, y) = exp(y log(x)), for which log must be right to about ten bits more than the result has: in double precision
it is a sum of two numbers (log(m) = 2 atanh(s) with the first terms of the series in doubled precision, after Dekker,
Numerische Mathematik 18, 1971); in single precision it is computed in double.
"""

from __future__ import annotations

import math
from fractions import Fraction

from jaxbm.kernels.program import control
from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import (
    LN2,
    absolute,
    any_lane,
    at_least,
    at_most,
    format_of,
    is_float32,
    poly,
    power_of_two,
    quick_two_sum,
    round_to_int,
    split,
    split_exponent,
    two_product,
    two_sum,
    two_to,
)
from jaxbm.kernels.program.maths.exponential import exp
from jaxbm.kernels.program.maths.registry import call, function
from jaxbm.kernels.program.values import Value


def counts_as_zero(size: Value) -> Value:
    """Whether a number, not negative, is zero or what the processor in its present mode takes for it.

    Asked of its product with a power of two: LLVM makes of size == 0 a comparison of bits.
    """
    return (size * 2.0 ** format_of(size).to_normal).eq(0.0)


def log_in_two(x: Value) -> tuple[Value, Value]:
    """log(x) for finite x > 0 as high + low, to about 2**-66 of it; double precision."""
    m, e = split_exponent(x)
    f = m - 1.0
    below, lost = two_sum(m, m.like(1.0))
    s = f / below
    s_low = ((-s).fma(below, f) - s * lost) / below
    z, z_low = two_product(s, s)
    z_low = z_low + s * s_low * 2.0
    # atanh(s) = s + s z (1/3 + z T(z))
    third, third_low = split(Fraction(1, 3), x)
    a, a_low = quick_two_sum(x.like(third), z * poly(z, tables.LOG_ATANH_TAIL_64))
    w, w_low = two_product(z, a)
    w_low = w_low + (z * (a_low + third_low) + z_low * a)
    u, u_low = two_product(s, w)
    u_low = u_low + (s * w_low + s_low * w)
    h, l = quick_two_sum(s, u)
    l = l + (u_low + s_low)
    high = 0.69314718055989033  # with trailing zeros, so that its product with any exponent is exact
    low, lowest = split(LN2 - Fraction(high), x)
    sum, rest = two_sum(e * high, h + h)
    more, more_low = two_product(e, x.like(low))
    rest = rest + (l + l) + (more_low + e * lowest) + more
    return quick_two_sum(sum, rest)


def _power64(size: Value, y: Value) -> tuple[Value, Value]:
    """size**y for positive finite size, and whether the result is neither near infinity nor near zero."""
    high, low = log_in_two(size)
    product, lost = two_product(y, high)
    lost = y.fma(low, lost)
    return exp(product, absolute(product).lt(800.0).select(lost, 0.0)), absolute(product).lt(700.0)


def _power32(size: Value, y: Value, *, moderate: bool = False) -> tuple[Value, Value]:
    """The same in single precision, by way of double; `moderate` takes for granted what the second result says, and
    that size is a normal number."""
    m, e = split_exponent(size, normal=moderate)
    t = m.cast("fpext", "double") - 1.0
    log2 = poly(t, tables.LOG2_WIDE_64).fma(t, e.cast("fpext", "double"))
    product = y.cast("fpext", "double") * log2
    exponent = product if moderate else at_least(at_most(product, 130.0), -155.0)
    n, _ = round_to_int(exponent)
    r = exponent - n
    result = (poly(r, tables.EXP2_32).fma(r, 1.0) * power_of_two(n)).cast("fptrunc", "float")
    return result, absolute(product).lt(120.0)


@function("pow", 2)
def pow(x: Value, y: Value) -> Value:
    """x**y; where everything is positive, normal and moderate, without a thought of anything else."""
    f = x.function
    quick, moderate = _power32(x, y, moderate=True) if is_float32(x) else _power64(x, y)
    fits = x.ge(format_of(x).tiny) & x.lt(math.inf) & moderate
    return control.choose(f, any_lane(~fits), lambda: [call(f, "any_pow", x, y)], lambda: [quick], rare=True)[0]


@function("any_pow", 2, inline=False)
def any_pow(x: Value, y: Value) -> Value:
    """x**y, with the special values of IEEE 754."""
    size = absolute(x)
    nothing = counts_as_zero(size)
    usual = size.lt(math.inf) & ~nothing
    kept = usual.select(size, 1.0)
    result, _ = _power32(kept, y) if is_float32(x) else _power64(kept, y)
    # Zero and infinity: one or the other of them, by the sign of the exponent.
    grows = nothing ^ y.gt(0.0)
    result = usual.select(result, grows.select(x.like(math.inf), x.like(0.0)))
    whole = y.unary("trunc").eq(y)
    half = y * 0.5
    odd = whole & half.unary("trunc").ne(half) & absolute(y).lt(2.0 ** (format_of(x).mantissa + 1))
    negative = x.as_bits().lt(0)
    result = (negative & odd).select(-result, result)
    result = (x.lt(0.0) & usual & ~whole).select(math.nan, result)
    # One to any power and anything to the power zero are one; -1 to an infinite power too.
    one = x.eq(1.0) | y.eq(0.0) | (size.eq(1.0) & absolute(y).eq(math.inf))
    return one.select(1.0, x.compare("uno", y).select(math.nan, result))


HALVES = 16
"""Halves of a constant exponent up to which its power is a product."""


def constant_power(x: Value, halves: int) -> Value:
    """x**(halves / 2) for a constant exponent of up to eight: products, a square root and a quotient, each exact to
    more digits than the result has."""
    return call(x.function, f"power_of_{halves}_halves", x)


def _by_products(x: Value, halves: int) -> tuple[Value, Value]:
    """x**(|halves| / 2) as high + low, while nothing of it overflows or underflows; x positive if halves is odd."""
    high, low, before = x, x.like(0.0), x.like(1.0)
    for _ in range(abs(halves) // 2 - 1):
        before = high
        high, lost = two_product(before, x)
        low = low.fma(x, lost)
    if halves % 2:
        root = x.unary("sqrt")
        # sqrt(x) = root + rest / (2 root), and x**n rest / (2 root) = x**(n - 1) root rest / 2
        rest = (-root).fma(root, x)
        high, lost = two_product(high, root)
        low = low.fma(root, lost) + before * root * rest * 0.5
    return high, low


def _define(halves: int) -> None:
    exponent = halves / 2

    def build32(x: Value) -> Value:
        wide = x.cast("fpext", "double")
        if halves % 2:
            # Unlike a root's, powers of -0.0 are positive and those of -inf are like those of inf.
            wide = wide.eq(-math.inf).select(math.inf, wide + 0.0)
        power = wide
        for _ in range(abs(halves) // 2 - 1):
            power = power * wide
        if halves % 2:
            power = power * wide.unary("sqrt")
        return (power if halves > 0 else 1.0 / power).cast("fptrunc", "float")

    def build64(x: Value) -> Value:
        f, size = x.function, absolute(x)
        bound = 2.0 ** (900 // max(abs(exponent), 1))
        usual = (x if halves % 2 else size).gt(1 / bound) & size.lt(bound)
        high, low = _by_products(x, halves)
        if halves > 0:
            quick = high + low
        else:
            inverse = 1.0 / high
            quick = (-low).fma(inverse, (-high).fma(inverse, 1.0)).fma(inverse, inverse)

        def rest() -> list[Value]:
            return [usual.select(quick, call(f, "any_pow", x, x.like(exponent)))]

        return control.choose(f, any_lane(~usual), rest, lambda: [quick])[0]

    # With its branch it is a function of its own, which LLVM inlines.
    function(f"power_of_{halves}_halves")(lambda x: build32(x) if is_float32(x) else build64(x))


for _halves in range(3, HALVES + 1):
    _define(_halves)
    _define(-_halves)


CUBE_ROOT = (0.49250972, 0.73971752, -0.29037881, 0.05822082)
"""The cube root between sqrt(1/2) and sqrt(2), within 7.3e-5 of it: Halley's step leaves 3e-13."""


@function("cbrt")
def cbrt(x: Value) -> Value:
    """The cube root, for negative numbers too: a division of the exponent by three and a step of Halley's; in double
    precision one of Newton's too, for which the same division serves."""
    size = absolute(x)
    m, e = split_exponent(size)
    third, shifted = round_to_int(e, 1 / 3)
    rest = e - third * 3.0  # -1, 0 or 1
    a = m * power_of_two(rest)  # within [0.35, 2.9]
    root = rest.lt(0.0).select(2.0 ** (-1 / 3), rest.gt(0.0).select(x.like(2.0 ** (1 / 3)), x.like(1.0)))
    t = poly(m, CUBE_ROOT) * root
    cube = t * t * t
    inverse = 1.0 / cube.fma(2.0, a)  # of 3 a, nearly
    t = (t * (a - cube)).fma(inverse, t)
    if not is_float32(x):
        square, lost = two_product(t, t)
        excess = t.fma(square, -a) + t * lost
        t = (-excess).fma(t * inverse, t)
    usual = size.lt(math.inf) & ~counts_as_zero(size)
    # Zero, infinity and NaN are their own squares.
    return x.function.intrinsic("copysign", usual.select(t * two_to(shifted), size * size), x)
