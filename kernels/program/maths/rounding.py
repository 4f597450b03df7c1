"""Rounding to integers, the next representable number, and counts of bits."""

from __future__ import annotations

import math

from jaxbm.kernels.program.maths.common import absolute, copysign
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.types import I1
from jaxbm.kernels.program.values import Value


@function("floor")
def floor(x: Value) -> Value:
    """The greatest integer not above x."""
    return x.unary("floor")


@function("ceil")
def ceil(x: Value) -> Value:
    """The least integer not below x."""
    return x.unary("ceil")


@function("round_even")
def round_even(x: Value) -> Value:
    """The nearest integer, the even one of two."""
    return x.unary("roundeven")


@function("round_away")
def round_away(x: Value) -> Value:
    """The nearest integer, of two the one away from zero."""
    # llvm.round calls the C library where the processor has no such mode. What is lost by trunc is exact.
    whole = x.unary("trunc")
    up = copysign(x.like(1.0), x)
    result = absolute(x - whole).ge(0.5).select(whole + up, whole)
    return copysign(result, x)


@function("trunc")
def trunc(x: Value) -> Value:
    """The integer part."""
    return x.unary("trunc")


@function("nextafter", 2)
def nextafter(x: Value, y: Value) -> Value:
    """The representable number next to x in the direction of y."""
    kind = x.type.kind
    sign = 1 << (x.type.bits - 1)
    bits, toward = x.as_bits(), y.as_bits()
    magnitude, goal = bits & (sign - 1), toward & (sign - 1)
    # All on bits: where subnormal numbers count as zero, arithmetic would see the smallest ones as equal.
    away = magnitude.compare("ugt", goal) | ((bits ^ toward) & sign).ne(0)
    stepped = bits + away.select(bits.like(-1), bits.like(1))
    from_zero = (toward & sign) | 1
    result = magnitude.eq(0).select(from_zero, stepped)
    equal = bits.eq(toward) | (magnitude | goal).eq(0)
    result = equal.select(toward, result)
    return x.compare("uno", y).select(math.nan, result.as_float(kind))


@function("population_count", floats=False)
def population_count(x: Value) -> Value:
    """How many bits are set."""
    return x.unary("ctpop")


@function("clz", floats=False)
def clz(x: Value) -> Value:
    """How many bits above the highest one set; all of them for zero."""
    f = x.function
    return f.intrinsic("ctlz", x, extra=[f.constant(I1, False)])
