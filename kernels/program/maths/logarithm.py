"""log and log1p.

x = m * 2**e with m between sqrt(1/2) and sqrt(2); then, in double precision, log(m) = 2 atanh(s) for
s = (m - 1) / (m + 1), arranged so that m - 1, which is exact, is added last (Tang, ACM TOMS 16, 1990; as in
FreeBSD's msun). In single precision a polynomial in m - 1 serves, without a division.
"""

from __future__ import annotations

import math
from fractions import Fraction

from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import (
    LN2,
    copysign,
    is_float32,
    least_significand,
    near_or_far,
    poly,
    split,
    split_exponent,
)
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.values import Value


def _beyond(t: Value) -> Value:
    """log(1 + t) - t for 1 + t between sqrt(1/2) and sqrt(2)."""
    if is_float32(t):
        square = t * t
        return (poly(t, tables.LOG_32) * t).fma(square, square * -0.5)
    s = t / (t + 2.0)
    z = s * s
    half_square = t * t * 0.5
    return s * (poly(z, tables.LOG_ATANH_64).fma(z, half_square)) - half_square


def _times_ln2(e: Value, t: Value, rest: Value) -> Value:
    """e log(2) + t + rest, |rest| below |t|."""
    # The first part has trailing zeros, so that its product with any exponent is exact.
    high = 0.693359375 if is_float32(t) else 0.69314718055989033
    low = split(LN2 - Fraction(high), t, 1)[0]
    return e.fma(high, t + e.fma(low, rest))


def _special(x: Value, result: Value) -> Value:
    """Infinity for infinity, minus infinity for zero, NaN below and for NaN."""
    result = x.eq(math.inf).select(x, result)
    return x.eq(0.0).select(-math.inf, x.compare("ult", 0.0).select(math.nan, result))


@function("log")
def log(x: Value) -> Value:
    """Natural logarithm."""
    m, e = split_exponent(x)
    t = m - 1.0
    return _special(x, _times_ln2(e, t, _beyond(t)))


def log1p_sum(high: Value, low: Value | None = None, more: Value | None = None) -> Value:
    """log(1 + high + low) + more * log(2) for high > -1, |low| tiny beside it."""
    u = high + 1.0
    m, e = split_exponent(u)
    lost = high.gt(1.0).select(1.0 - (u - high), high - (u - 1.0))
    unscaled = e.eq(0.0)
    t = unscaled.select(high, m - 1.0)
    lost = unscaled.select(0.0, lost)
    if low is not None:
        lost = lost + low
    if more is not None:
        e = e + more
    rest = _beyond(t) + lost / u
    return _times_ln2(e, t, rest)


@function("log1p")
def log1p(x: Value) -> Value:
    """log(1 + x)."""
    if x.type.lanes:
        result = log1p_sum(x)
    else:
        # Near zero there is no exponent to take off, which gives the same bits and which a processor foresees.
        u, least = x + 1.0, least_significand(x)
        is_near = u.ge(least) & u.lt(2 * least)
        result = near_or_far(is_near, lambda: x + _beyond(x), lambda: log1p_sum(x))
    result = x.eq(math.inf).select(x, result)
    result = x.eq(-1.0).select(-math.inf, x.compare("ult", -1.0).select(math.nan, result))
    return copysign(result, x)


__all__ = ["log", "log1p", "log1p_sum"]
