"""Division by a number that a loop doesn't change: products in place of it, rounded as the division would be.

With y the reciprocal, rounded to nearest, and q within an ulp of a / b, the remainder a - b q is exact and q plus
the remainder times y rounds to a / b (Markstein, IBM Journal of Research and Development 34, 1990). The product of a
and y may be an ulp and a half away, so that this is done twice.

A divider gives 16 quotients in 10 to 16 cycles, these products take 4, and the divider is free meanwhile for what
does change, such as Adam's last division and its square root. Narrower vectors are divided as fast as that.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxbm.kernels.program.control import choose
from jaxbm.kernels.program.elements import number
from jaxbm.kernels.program.maths.common import Format, any_lane, copysign, format_of
from jaxbm.kernels.program.values import Value

BYTES = 64
"""Of vectors for which products are faster."""


class Divisor(NamedTuple):
    """A scalar, its reciprocal, and the bits, less one, of the largest dividend that is too small for products."""

    value: Value
    reciprocal: Value
    small: Value


def _limits(format: Format) -> tuple[int, int]:
    """Bits of the least dividend whose remainders are normal numbers, and of the largest with finite quotients."""
    return _bits(2 * format.mantissa + 5 - format.bias, format), _bits(format.bias - 27, format)


def is_worth_it(b: Value) -> bool:
    """Whether products are faster than a division by this: a power of two is a product for LLVM already."""
    return not b.is_constant or abs(math.frexp(number(b))[0]) != 0.5


def _bits(exponent: int, format: Format) -> int:
    """Those of a power of two."""
    return (format.bias + exponent) << format.mantissa


def divisor(b: Value) -> Divisor:
    """What is computed before the loop. Divisors that aren't near one leave no dividend to products."""
    least, _ = _limits(format_of(b))
    usual, bits = b.ge(2.0**-20) & b.le(2.0**20), b.type.integer
    small = usual.select(b.function.constant(bits, least - 2), b.function.constant(bits, -1))
    return Divisor(b, 1.0 / b, small)


def divided(a: Value, by: Divisor) -> Value:
    """a / b, to the bit, of a vector."""
    f, lanes = a.function, a.type.lanes
    b, y, small = (f.splat(v, lanes) for v in by)
    _, most = _limits(format_of(a))
    size = (a.as_bits() << 1).lshr(1)
    # Zero less one is the greatest unsigned number, so that zeros aren't small.
    unusual = (size - 1).compare("ule", small) | size.compare("ugt", most)

    def products() -> list[Value]:
        q, minus = a * y, -b
        for _ in range(2):
            q = q.fma(minus, a).fma(y, q)
        return [copysign(q, a)]  # of minus zero

    return choose(f, any_lane(unusual), lambda: [a / b], products, rare=True)[0]
