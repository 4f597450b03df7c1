"""sinh, cosh, tanh and their inverses.

Near zero by polynomials; beyond from exp in two parts, whose small second part keeps the sums right to the last
place. The inverses go through log1p of a sum of two numbers.
"""

from __future__ import annotations

import math

from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import (
    absolute,
    at_least,
    at_most,
    copysign,
    is_float32,
    near_or_far,
    poly,
    power_of_two,
    quick_two_sum,
    table,
    two_product,
    two_sum,
    two_to,
)
from jaxbm.kernels.program.maths.exponential import exp_parts, quotient
from jaxbm.kernels.program.maths.logarithm import log1p_sum
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.maths.scaling import scale_by_power
from jaxbm.kernels.program.values import Value


def _half_exponentials(size: Value) -> tuple[Value, Value, Value, Value]:
    """(a, lost, b, n): 2**n (a + lost) = e**size / 2 and 2**n b = e**-size / 2."""
    high, low, n = exp_parts(at_most(size, 90.0 if is_float32(size) else 711.0))
    shrink = power_of_two(at_least(n * -2.0, -120.0) - 2.0)
    return high * 0.5, low * 0.5, shrink * 2.0 / high, n


@function("sinh")
def sinh(x: Value) -> Value:
    """(e**x - e**-x) / 2."""
    size = absolute(x)
    a, lost, b, n = _half_exponentials(size)
    high, low = quick_two_sum(a, -b)
    far = scale_by_power(high + (low + lost), n)
    z = x * x
    near = (poly(z, table(x, tables.SINH_32, tables.SINH_64)) * z).fma(size, size)
    return copysign(size.lt(1.0).select(near, far), x)


@function("cosh")
def cosh(x: Value) -> Value:
    """(e**x + e**-x) / 2."""
    a, lost, b, n = _half_exponentials(absolute(x))
    high, low = quick_two_sum(a, b)
    return scale_by_power(high + (low + lost), n)


@function("tanh")
def tanh(x: Value) -> Value:
    """(e**x - e**-x) / (e**x + e**-x)."""
    size = absolute(x)

    def far() -> Value:
        # What the exponential is off by counts for half at most: the quotient is below a half.
        _, shifted, r, _ = quotient(at_most(size, 20.0) * 2.0)
        exponential = poly(r, table(r, tables.EXP_32, tables.EXP_64)).fma(r * r, r + 1.0)
        return 1.0 - 2.0 / exponential.fma(two_to(shifted), 1.0)

    def near() -> Value:
        z = x * x
        return (poly(z, table(x, tables.TANH_32, tables.TANH_64)) * z).fma(size, size)

    return copysign(near_or_far(size.lt(0.6), near, far), x)


@function("asinh")
def asinh(x: Value) -> Value:
    """log(x + sqrt(x**2 + 1))."""
    size = absolute(x)
    huge = size.gt(2.0**57 if not is_float32(x) else 2.0**28)
    kept = huge.select(1.0, size)
    square = kept * kept
    more = square / ((square + 1.0).unary("sqrt") + 1.0)
    high, low = quick_two_sum(kept, more)
    result = log1p_sum(huge.select(size, high), huge.select(0.0, low), huge.select(x.like(1.0), x.like(0.0)))
    return copysign(size.eq(math.inf).select(size, result), x)


@function("acosh")
def acosh(x: Value) -> Value:
    """log(x + sqrt(x**2 - 1)); NaN where x < 1."""
    huge = x.gt(2.0**57 if not is_float32(x) else 2.0**28)
    kept = huge.select(1.0, x)
    t, lost = two_sum(kept, x.like(-1.0))
    product, rest = two_product(t, t + 2.0)
    root = product.unary("sqrt")
    rest = (rest + (-root).fma(root, product)) + (lost * t) * 2.0
    low = product.gt(0.0).select(rest / (root + root), 0.0)
    high, more = two_sum(t, root)
    low = low + (more + lost)
    result = log1p_sum(huge.select(x, high), huge.select(0.0, low), huge.select(x.like(1.0), x.like(0.0)))
    return x.eq(math.inf).select(x, x.lt(1.0).select(math.nan, result))


@function("atanh")
def atanh(x: Value) -> Value:
    """log((1 + x) / (1 - x)) / 2; infinite at 1 and NaN beyond."""
    size = absolute(x)
    inside = size.lt(1.0)
    kept = inside.select(size, 0.0)
    twice = kept + kept
    below, lost = quick_two_sum(x.like(1.0), -kept)
    q = twice / below
    low = ((-q).fma(below, twice) - q * lost) / below
    result = log1p_sum(q, low) * 0.5
    result = inside.select(result, size.eq(1.0).select(x.like(math.inf), x.like(math.nan)))
    return copysign(absolute(x).lt(2.0**-28).select(size, result), x)
