"""What the elementary functions share: formats of floats, exact splits of constants, polynomials, exact sums."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from jaxbm.kernels.program.control import choose
from jaxbm.kernels.program.values import Value

_LN2_DIGITS = "0.693147180559945309417232121458176568075500134360255254120680009493393621969694715605863326996418687"
_PI_DIGITS = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798"
LN2, PI = Fraction(_LN2_DIGITS), Fraction(_PI_DIGITS)


class Format(NamedTuple):
    """A binary floating point format."""

    mantissa: int
    """stored bits of the significand"""
    bias: int
    tiny: float
    """the smallest normal number"""
    to_normal: int
    """a subnormal number times two to this power is normal"""

    @property
    def rounder(self) -> float:
        """Added to a number, it leaves the nearest integer in the sum's last bits."""
        return 1.5 * 2.0**self.mantissa


FLOAT32 = Format(23, 127, 2.0**-126, 25)
FLOAT64 = Format(52, 1023, 2.0**-1022, 54)


def format_of(x: Value) -> Format:
    """The format of a value's lanes."""
    return FLOAT32 if x.type.kind == "float" else FLOAT64


def is_float32(x: Value) -> bool:
    """Whether its lanes are of single precision."""
    return x.type.kind == "float"


def split(number: Fraction, x: Value, parts: int = 2) -> list[float]:
    """A constant as an unevaluated sum of numbers of x's type, each the nearest to what the earlier ones left."""
    out = []
    for _ in range(parts):
        part = float(np.float32(float(number))) if is_float32(x) else float(number)
        out.append(part)
        number -= Fraction(part)
    return out


def table(x: Value, float32: Sequence[float], float64: Sequence[float]) -> Sequence[float]:
    """The coefficients for x's type."""
    return float32 if is_float32(x) else float64


def poly(x: Value, coefficients: Sequence[float | Value]) -> Value:
    """The polynomial with these coefficients, the constant one first.

    Evaluated in pairs (Estrin): half as long a chain of dependent operations as Horner's scheme.
    """
    terms = [x.like(c) for c in coefficients]
    while len(terms) > 1:
        pairs = [b.fma(x, a) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(pairs) * 2 :]
        if len(terms) > 1:
            x = x * x
    return terms[0]


def absolute(x: Value) -> Value:
    """|x|."""
    return x.unary("fabs")


def copysign(magnitude: Value, sign: Value) -> Value:
    """|magnitude| with the sign bit of `sign`."""
    return magnitude.function.intrinsic("copysign", magnitude, sign)


def at_most(x: Value, bound: float) -> Value:
    """min(x, bound), NaN staying NaN."""
    return x.gt(bound).select(bound, x)


def at_least(x: Value, bound: float) -> Value:
    """max(x, bound), NaN staying NaN."""
    return x.lt(bound).select(bound, x)


def two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    """a + b and its rounding error, exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def quick_two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    """a + b and its rounding error, exact where |a| >= |b| (Dekker)."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Value, b: Value) -> tuple[Value, Value]:
    """a * b and its rounding error, exactly."""
    p = a * b
    return p, a.fma(b, -p)


def round_to_int(x: Value, scale: float = 1.0) -> tuple[Value, Value]:
    """The integer nearest to x * scale as a float, and one whose last bits are that integer, for `two_to`."""
    magic = format_of(x).rounder
    shifted = x.fma(scale, magic)
    return shifted - magic, shifted


def two_to(shifted: Value) -> Value:
    """2**n for n in the normal range, given as the second result of `round_to_int`."""
    format = format_of(shifted)
    bits = (shifted.as_bits() << format.mantissa) + (format.bias << format.mantissa)
    return bits.as_float(shifted.type.kind)


def power_of_two(n: Value) -> Value:
    """2**n for n in the normal range, given as a float."""
    return two_to(n + format_of(n).rounder)


ROOT_32, ROOT_64 = 0x3F3504F3, 0x3FE6A09E667F3BCD
"""The bits of sqrt(1/2)."""


def least_significand(x: Value) -> float:
    """The least m that `split_exponent` gives; it is below twice of it."""
    return struct.unpack("<f", struct.pack("<I", ROOT_32))[0] if is_float32(x) else math.sqrt(0.5)


def split_exponent(x: Value, *, normal: bool = False) -> tuple[Value, Value]:
    """m in [sqrt(1/2), sqrt(2)) and e with x = m * 2**e, for x > 0, subnormal too unless it is known to be normal."""
    format, kind = format_of(x), x.type.kind
    small = x.lt(format.tiny)
    bits = x.as_bits() if normal else small.select(x * 2.0**format.to_normal, x).as_bits()
    root = ROOT_32 if is_float32(x) else ROOT_64
    moved = bits - root
    m = ((moved & ((1 << format.mantissa) - 1)) + root).as_float(kind)
    # The biased exponent as a float by way of the bits of 2**mantissa + exponent: there is no vector conversion
    # of 64-bit integers before AVX-512.
    top = float(2**format.mantissa)
    top_bits = (format.bias + format.mantissa) << format.mantissa
    biased = (moved + (format.bias << format.mantissa)).lshr(format.mantissa)
    e = (biased | top_bits).as_float(kind)
    if normal:
        return m, e - (top + format.bias)
    return m, e - small.select(x.like(top + format.bias + format.to_normal), x.like(top + format.bias))


def any_lane(condition: Value) -> Value:
    """Whether a condition holds in some lane, as a scalar."""
    lanes = condition.type.lanes
    if not lanes:
        return condition
    return condition.function.call(f"llvm.vector.reduce.or.v{lanes}i1", condition.type.scalar, [condition], pure=True)


def near_or_far(is_near: Value, near: Callable[[], Value], far: Callable[[], Value]) -> Value:
    """One of two, by lanes; of a scalar that one alone is computed which the processor foresees."""
    if is_near.type.lanes:
        return is_near.select(near(), far())
    return choose(is_near.function, is_near, lambda: [near()], lambda: [far()])[0]
