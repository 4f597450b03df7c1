"""The error function, its complement and its inverse.

Near zero a polynomial; beyond, erfc(x) = exp(-x**2) g(x) with (1 + 2x) g(x) a polynomial in (x - 4) / (x + 4) over
the whole half line (Shepherd and Laframboise, Mathematics of Computation 36, 1981). erf_inv starts from a polynomial
in log(1 - y**2) (Giles, GPU Computing Gems, 2011; our own coefficients), which single precision rounds and double
precision improves by one step of Halley's.
"""

from __future__ import annotations

import math
from fractions import Fraction

from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import (
    absolute,
    at_most,
    copysign,
    is_float32,
    near_or_far,
    poly,
    quick_two_sum,
    split,
    table,
    two_product,
    two_sum,
)
from jaxbm.kernels.program.maths.exponential import exp, exp_parts
from jaxbm.kernels.program.maths.logarithm import log
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.maths.scaling import scale_by_power
from jaxbm.kernels.program.values import Value


def _beyond(x: Value) -> Value:
    """erf(x) - x for |x| <= 1."""
    return poly(x * x, table(x, tables.ERF_32, tables.ERF_64)) * x


def _small(x: Value) -> float:
    """Below this the functions are straight lines."""
    return 2.0**-60 if is_float32(x) else 2.0**-500


def _complement(a: Value) -> Value:
    """erfc(a) for a >= 1/2, zero where it is less than the smallest number."""
    a = at_most(a, 11.0 if is_float32(a) else 28.0)
    q = (a - 4.0) / (a + 4.0)
    high, low = quick_two_sum(a.like(1.0), poly(q, table(a, tables.ERFCX_32, tables.ERFCX_64)))
    below, lost = two_sum(a + a, a.like(1.0))
    inverse = 1.0 / below
    g = high * inverse
    g_low = ((-g).fma(below, high) + (low - g * lost)) * inverse
    square, rest = two_product(a, a)
    e, e_low, n = exp_parts(-square, -rest)
    return scale_by_power(e.fma(g, e.fma(g_low, e_low * g)), n)


@function("erf", inline=False)
def erf(x: Value) -> Value:
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    size = absolute(x)

    def far() -> Value:
        tail = exp(poly(at_most(size, 4.0), tables.LOG_ERFC_32)) if is_float32(x) else _complement(size)
        return copysign(1.0 - tail, x)

    def near() -> Value:
        # The lesser part of a very small result would be subnormal, and flushed to zero on XLA's threads.
        return size.lt(_small(x)).select(x * (2 / math.sqrt(math.pi)), x + _beyond(x))

    return near_or_far(size.lt(1.0), near, far)


@function("erfc", inline=False)
def erfc(x: Value) -> Value:
    """1 - erf(x), exact to the last places for large x."""
    far = _complement(absolute(x))
    near = (1.0 - x) - _beyond(x)
    return x.ge(0.5).select(far, x.le(-1.0).select(2.0 - far, near))


def _start(size: Value) -> Value:
    """A first value for erf_inv(size)."""
    w = -log((-size).fma(size, 1.0))
    single = is_float32(w)
    near = tables.ERF_INV_NEAR_32 if single else tables.ERF_INV_NEAR_64
    far, center = (tables.ERF_INV_FAR_32, 3.0) if single else (tables.ERF_INV_FARTHER_64, 4.0)
    small = w.lt(5.0)
    t = small.select(w, w.unary("sqrt") - center)
    rest = small.select(poly(t, near[2:]), poly(t, far[2:]))
    # The leading two terms in doubled precision, so that only one rounding is of the result's size.
    first, second = split(Fraction(near[0]), w)
    other, lost = split(Fraction(far[0]), w)
    product, more = two_product(t, small.select(w.like(near[1]), w.like(far[1])))
    high, low = two_sum(small.select(w.like(first), w.like(other)), product)
    low = low + (more + small.select(w.like(second), w.like(lost)))
    return size.fma(high, size * (t * t).fma(rest, low))


@function("erf_inv", inline=False)
def erf_inv(x: Value) -> Value:
    """The y with erf(y) = x; infinite at -1 and 1, NaN beyond."""
    size = absolute(x)
    inside = size.lt(1.0)
    kept = inside.select(size, 0.0)
    y = _start(kept)
    if not is_float32(x):
        step = _excess(y, kept) * (math.sqrt(math.pi) / 2) * exp(y * y)
        y = y - step / y.fma(step, 1.0)
    y = kept.lt(_small(x)).select(kept * (math.sqrt(math.pi) / 2), y)
    outside = size.eq(1.0).select(x.like(math.inf), x.like(math.nan))
    return copysign(inside.select(y, outside), x)


def _excess(y: Value, goal: Value) -> Value:
    """erf(y) - goal, each from the side on which it is exact: y - goal is, up to erf(1/2) = 0.52."""
    return y.lt(0.5).select((y - goal) + _beyond(y), (1.0 - goal) - _complement(y))
