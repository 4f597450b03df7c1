"""asin, acos, atan and atan2.

asin by a polynomial up to 1/2 and, beyond, by asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)); atan by a polynomial around
0, 1/2, 1, 3/2 and infinity (the reductions of FreeBSD's msun; the polynomials are our own).
"""

from __future__ import annotations

import math
from fractions import Fraction

from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import PI, absolute, copysign, poly, split, table
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.values import Value


def _arc(x: Value) -> tuple[Value, Value, Value]:
    """(small, a, b): asin of |x|, if small, or of sqrt((1 - |x|) / 2), as a + b with b the lesser."""
    size = absolute(x)
    small = size.lt(0.5)
    half = (1.0 - size) * 0.5
    root = half.unary("sqrt")
    lost = half.eq(0.0).select(0.0, (-root).fma(root, half) / (root + root))
    a = small.select(size, root)
    z = small.select(size * size, half)
    beyond = poly(z, table(x, tables.ASIN_32, tables.ASIN_64)) * z
    return small, a, beyond.fma(a, small.select(0.0, lost))


@function("asin")
def asin(x: Value) -> Value:
    """Arc sine, in [-pi/2, pi/2]; NaN where |x| > 1."""
    small, a, b = _arc(x)
    high, low = split(PI / 2, x)
    far = (high - (a + a)) - ((b + b) - low)
    return copysign(small.select(a + b, far), x)


@function("acos")
def acos(x: Value) -> Value:
    """Arc cosine, in [0, pi]; NaN where |x| > 1."""
    small, a, b = _arc(x)
    high, low = split(PI / 2, x)
    negative = x.lt(0.0)
    near_zero = negative.select(high + (a + (b + low)), high - (a + (b - low)))
    beyond = negative.select((high - (a + (b - low))) * 2.0, (a + b) * 2.0)
    return small.select(near_zero, beyond)


# tan of the points around which atan is expanded, and of the borders between them.
_POINTS = (Fraction(1, 2), Fraction(1), Fraction(3, 2))
_BORDERS = (7 / 16, 11 / 16, 19 / 16, 39 / 16)


def _atan_of(point: Fraction) -> Fraction:
    """atan of a fraction to about 100 bits more than double precision."""
    if point == 1:
        return PI / 4
    if point > 1:
        return PI / 2 - _atan_of(1 / point)
    total, power, n = Fraction(0), point, 1
    while power > Fraction(1, 2**180):
        total += (power / n) * (1 if n % 4 == 1 else -1)
        power, n = power * point * point, n + 2
    return total


def _atan_positive(t: Value) -> tuple[Value, Value, Value]:
    """(base, rest, low) with atan(t) = base + (rest + low), for t >= 0."""
    numerator, denominator = t, t.like(1.0)
    high, low = t.like(0.0), t.like(0.0)
    for border, point in zip(_BORDERS, _POINTS, strict=False):
        c = float(point)
        beyond = t.ge(border)
        first, second = split(_atan_of(point), t)
        numerator = beyond.select(t - c, numerator)
        denominator = beyond.select(t.fma(c, 1.0), denominator)
        high, low = beyond.select(first, high), beyond.select(second, low)
    first, second = split(PI / 2, t)
    last = t.ge(_BORDERS[-1])
    numerator, denominator = last.select(-1.0, numerator), last.select(t, denominator)
    high, low = last.select(first, high), last.select(second, low)
    q = numerator / denominator
    z = q * q
    return high, q, (poly(z, table(t, tables.ATAN_32, tables.ATAN_64)) * z).fma(q, low)


@function("atan")
def atan(x: Value) -> Value:
    """Arc tangent, in [-pi/2, pi/2]."""
    base, rest, low = _atan_positive(absolute(x))
    return copysign(base + (rest + low), x)


@function("atan2", 2)
def atan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y), in [-pi, pi], for signed zeros and infinities too."""
    height, width = absolute(y), absolute(x)
    t = height / width
    t = height.eq(0.0).select(0.0, t)
    t = (height.eq(math.inf) & width.eq(math.inf)).select(1.0, t)
    # What the quotient lacks matters where it is used as it stands.
    lost = (-t).fma(width, height) / width
    lost = (t.lt(_BORDERS[0]) & lost.eq(lost) & width.ge(2.0**-60)).select(lost, 0.0)
    base, rest, low = _atan_positive(t)
    low = low + lost
    first, second = split(PI, x)
    flipped = x.as_bits().lt(0)
    here = base + (rest + low)
    there = (first - base) - (rest + (low - second))
    result = flipped.select(there, here)
    nan = x.compare("uno", y)
    return nan.select(math.nan, copysign(result, y))
