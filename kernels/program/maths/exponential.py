"""exp, exp2, expm1 and the logistic function.

exp(x) = 2**n exp(r) with n the integer nearest to x / log 2, so that |r| <= log(2) / 2; x - n log(2) is exact in its
first step, since a fused multiply-add rounds once and the difference fits (Cody and Waite, Software Manual for the
Elementary Functions, 1980).
"""

from __future__ import annotations

from typing import NamedTuple

from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import (
    LN2,
    absolute,
    at_least,
    at_most,
    is_float32,
    poly,
    power_of_two,
    quick_two_sum,
    round_to_int,
    split,
    table,
)
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.maths.scaling import scale_by_power
from jaxbm.kernels.program.values import Value

LEAST_32, LEAST_64 = -104.0, -746.0
"""Below this exp is zero, rounded to nearest."""


class Reduced(NamedTuple):
    """exp(x) = 2**n * (1 + r + rest), |r| <= log(2) / 2."""

    n: Value
    r: Value
    rest: Value


def quotient(x: Value) -> tuple[Value, Value, Value, Value]:
    """(n, n as `two_to` takes it, r, lost): x = n log(2) + r + lost."""
    high, low = split(LN2, x)
    n, shifted = round_to_int(x, float(1 / LN2))
    first = (-n).fma(high, x)
    r = (-n).fma(low, first)
    return n, shifted, r, (-n).fma(low, first - r)


def reduce(x: Value, tail: Value | None = None) -> Reduced:
    """The parts of exp(x + tail); x within the range where the result is finite and not zero."""
    n, _, r, lost = quotient(x)
    rest = poly(r, table(x, tables.EXP_32, tables.EXP_64)).fma(r * r, lost)
    if tail is not None:
        rest = tail.fma((r + rest) + 1.0, rest)
    return Reduced(n, r, rest)


def in_range(x: Value) -> Value:
    """x kept to where exp goes from zero to infinity, so that the exponent can't wrap around."""
    low, high = (LEAST_32, 91.0) if is_float32(x) else (LEAST_64, 712.0)
    return at_least(at_most(x, high), low)


def exp_parts(x: Value, tail: Value | None = None) -> tuple[Value, Value, Value]:
    """(high, low, n): exp(x + tail) = 2**n * (high + low), to about a tenth of a unit in the last place of high."""
    n, r, rest = reduce(in_range(x), tail)
    sum, lost = quick_two_sum(r, rest)
    high, low = quick_two_sum(x.like(1.0), sum)
    return high, low + lost, n


def _plainly(x: Value) -> Value:
    """e**x to 1.1 units in the last place, x within the range: what r lost by its rounding is left out."""
    n, _, r, _ = quotient(x)
    return scale_by_power(poly(r, table(x, tables.EXP_32, tables.EXP_64)).fma(r * r, r) + 1.0, n)


@function("exp")
def exp(x: Value, tail: Value | None = None) -> Value:
    """e**x; of a sum of two numbers where `tail` is the second."""
    if tail is None:
        return _plainly(in_range(x))
    n, r, rest = reduce(in_range(x), tail)
    return scale_by_power((r + rest) + 1.0, n)


@function("exp2")
def exp2(x: Value) -> Value:
    """2**x."""
    low, high = (-151.0, 129.0) if is_float32(x) else (-1076.0, 1025.0)
    x = at_least(at_most(x, high), low)
    n, _ = round_to_int(x)
    r = x - n
    return scale_by_power(poly(r, table(x, tables.EXP2_32, tables.EXP2_64)).fma(r, 1.0), n)


@function("expm1")
def expm1(x: Value) -> Value:
    """e**x - 1, exact to the last places near zero."""
    low, high = (-30.0, 88.8) if is_float32(x) else (-60.0, 709.8)
    n, r, rest = reduce(at_least(at_most(x, high), low))
    # Half of it, since 2**n may just not be finite where the result is.
    half = power_of_two(n - 1.0)
    result = half.fma(rest, half.fma(r, half - 0.5))
    return absolute(x).lt(2.0**-60 if not is_float32(x) else 2.0**-30).select(x, result + result)


@function("logistic")
def logistic(x: Value) -> Value:
    """1 / (1 + e**-x)."""
    # e**-|x| can't overflow; the result is 1 or e**-|x|, divided by their sum.
    small = _plainly(at_least(-absolute(x), LEAST_32 if is_float32(x) else LEAST_64))
    sum, lost = quick_two_sum(x.like(1.0), small)
    quotient = x.lt(0.0).select(small, 1.0) / sum
    # What the sum lost: divided by it as well where that matters, which is where the quotient is near its numerator.
    return (-quotient).fma(lost, quotient)
