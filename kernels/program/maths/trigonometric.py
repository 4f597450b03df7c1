"""sin, cos and tan for all arguments.

x = n pi/2 + r with |r| little above pi/4. While |x| is moderate, n times the first of three parts of pi/2 is taken
off exactly by a fused multiply-add (Cody and Waite); beyond, 2/pi to 1,300 bits is multiplied in integers (Payne and
Hanek, SIGNUM 1983), which happens only where some lane needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from jaxbm.kernels.program.control import choose
from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import (
    PI,
    absolute,
    any_lane,
    is_float32,
    poly,
    quick_two_sum,
    round_to_int,
    split,
    table,
    two_product,
    two_sum,
)
from jaxbm.kernels.program.maths.huge import reduce_huge
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.values import Value


def _reduce_moderate(x: Value) -> tuple[Value, Value, Value]:
    first, second, third = split(PI / 2, x, 3)
    n, shifted = round_to_int(x, 2 / math.pi)
    a = (-n).fma(first, x)
    product, rest = two_product(n, x.like(second))
    b, lost = two_sum(a, -product)
    r, low = quick_two_sum(b, (-n).fma(third, lost - rest))
    return r, low, shifted.as_bits()


def _reduce_roughly(x: Value) -> tuple[Value, Value, Value]:
    """As above, r off by its rounding: a third as long a chain."""
    first, second, third = split(PI / 2, x, 3)
    n, shifted = round_to_int(x, 2 / math.pi)
    r = (-n).fma(second, (-n).fma(first, x))
    return r, n * -third, shifted.as_bits()


def reduce(x: Value, moderate: Callable[[Value], tuple[Value, Value, Value]]) -> tuple[Value, Value, Value]:
    """r, what it lacks, and an integer whose last two bits are those of n."""
    f = x.function
    size = absolute(x)
    bound = 2.0**17 if is_float32(x) else 2.0**27
    huge = size.ge(bound) & size.lt(math.inf)
    near = moderate(x)  # what is huge gives nonsense, what isn't finite NaN

    def beyond() -> list[Value]:
        far = reduce_huge(huge.select(x, 0.0))
        return [f.select(huge, a, b) for a, b in zip(far, near, strict=True)]

    r, low, n = choose(f, any_lane(huge), beyond, lambda: list(near), rare=True)
    return r, low, n


def sin_kernel(r: Value, low: Value) -> Value:
    """sin(r + low) for |r| little above pi/4."""
    z = r * r
    return r + poly(z, table(r, tables.SIN_32, tables.SIN_64)).fma(r * z, low)


def cos_kernel(r: Value, low: Value) -> Value:
    """cos(r + low) for |r| little above pi/4."""
    # 1 - z/2 is formed exactly as a sum of two numbers: z/2 reaches 0.3.
    z = r * r
    head, lost = quick_two_sum(r.like(1.0), z * -0.5)
    return head + (poly(z, table(r, tables.COS_32, tables.COS_64)) * z).fma(z, lost - r * low)


def _short_cos_kernel(r: Value) -> Value:
    """cos(r), rounded where it is formed: what r lacks is below its last place."""
    z = r * r
    return poly(z, table(r, tables.COS_32, tables.COS_64)).fma(z, -0.5).fma(z, 1.0)


def _pick(x: Value, quarter: int) -> tuple[Value, Value]:
    """|sine| a number of quarters of a turn after x, and its sign as bits."""
    r, low, n = reduce(x, _reduce_roughly)
    n = n + quarter
    value = (n & 1).eq(0).select(sin_kernel(r, low), _short_cos_kernel(r))
    return value.as_bits(), (n & 2) << (n.type.bits - 2)


def _unless_near(x: Value, near: Callable[[], Value], general: Callable[[], Value]) -> Value:
    """`near` where x, in all lanes, lies in the middle quarter of a turn: the same bits, in half the time.

    A loop's angles tend to stay in their quarter, so that the processor foresees which it will be.
    """
    f = x.function
    return choose(f, any_lane(~absolute(x).lt(0.78)), lambda: [general()], lambda: [near()])[0]


@function("sin")
def sin(x: Value) -> Value:
    """Sine of x in radians."""
    size = absolute(x)
    flipped = x.as_bits() ^ size.as_bits()  # of |x|, so that minus zero stays what it is

    def general() -> Value:
        value, sign = _pick(size, 0)
        return (value ^ (sign ^ flipped)).as_float(x.type.kind)

    near = lambda: (sin_kernel(size, x.like(-0.0)).as_bits() ^ flipped).as_float(x.type.kind)  # noqa: E731
    return _unless_near(x, near, general)


@function("cos")
def cos(x: Value) -> Value:
    """Cosine of x in radians."""

    def general() -> Value:
        value, sign = _pick(x, 1)
        return (value ^ sign).as_float(x.type.kind)

    return _unless_near(x, lambda: _short_cos_kernel(x), general)


@function("tan", inline=False)
def tan(x: Value) -> Value:
    """Tangent of x in radians."""
    r, low, n = reduce(x, _reduce_moderate)
    z = r * r
    t, lost = quick_two_sum(r, (poly(z, table(x, tables.TAN_32, tables.TAN_64)) * z).fma(r, low * (z + 1.0)))
    # In odd quadrants -1 / t, with what t lacks put right.
    inverse = -1.0 / t
    inverse = inverse.fma(inverse.fma(t, 1.0) + inverse * lost, inverse)
    result = (n & 1).eq(0).select(t + lost, inverse)
    return absolute(x).lt(2.0**-12 if is_float32(x) else 2.0**-27).select(x, result)
