"""lgamma and digamma.

Polynomials around 1, 2 and the zero of digamma, the recurrence up to eight, asymptotic series beyond (Abramowitz and
Stegun 6.1.41 and 6.3.18, with the series' coefficients fitted), reflection for negative arguments. Single precision
is computed in double with shorter polynomials, since the recurrence and the reflection cancel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from jaxbm.kernels.program.control import choose
from jaxbm.kernels.program.maths import tables
from jaxbm.kernels.program.maths.common import (
    LN2,
    PI,
    absolute,
    any_lane,
    is_float32,
    poly,
    quick_two_sum,
    split,
    split_exponent,
    two_product,
    two_sum,
)
from jaxbm.kernels.program.maths.power import log_in_two
from jaxbm.kernels.program.maths.registry import function
from jaxbm.kernels.program.maths.trigonometric import cos_kernel, sin_kernel
from jaxbm.kernels.program.values import Value

_FAR = 8.0
_ROOT = Fraction("1.461632144968362341262659542325721328468196204006446295129598408598786440353801810243")


def _in_double(x: Value, compute: Callable[[Value, bool], Value]) -> Value:
    """compute(x, short): single precision goes by way of double."""
    if is_float32(x):
        return compute(x.cast("fpext", "double"), True).cast("fptrunc", "float")
    return compute(x, False)


def _log(x: Value, short: bool) -> tuple[Value, Value]:
    """log(x) as a sum of two numbers; the second is zero where single precision is asked for."""
    if not short:
        return log_in_two(x)
    m, e = split_exponent(x)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    return e.fma(float(LN2), s * poly(z, tables.LOG_ATANH_32).fma(z, 2.0)), x.like(0.0)


def _half_turns(x: Value) -> tuple[Value, Value]:
    """sin(pi x) and cos(pi x) but for a common sign, x reduced exactly to a quarter of a turn."""
    nearest = x.unary("rint")
    t = x - nearest
    swap = absolute(t).gt(0.25)
    u = swap.select(0.5 - absolute(t), absolute(t))
    first, second = split(PI, x)
    r, lost = two_product(u, x.like(first))
    lost = lost + u * second
    r, lost = quick_two_sum(r, lost)
    a, b = sin_kernel(r, lost), cos_kernel(r, lost)
    sine, cosine = swap.select(b, a), swap.select(a, b)
    return t.lt(0.0).select(-sine, sine), cosine


def _lgamma_positive(a: Value, short: bool) -> tuple[Value, Value]:
    """lgamma of 0 < a < infinity, as a sum of two numbers."""
    one = tables.LGAMMA_ONE_32 if short else tables.LGAMMA_ONE_64
    two = tables.LGAMMA_TWO_32 if short else tables.LGAMMA_TWO_64
    below, far, upper = a.lt(0.5), a.ge(_FAR), a.ge(1.5)
    kept = far.select(2.0, a)
    steps = upper.select((kept - 1.5).unary("floor"), 0.0)
    y = kept - steps
    product = a.like(1.0)
    for j in range(6):
        product = steps.gt(float(j)).select(product * (y + float(j)), product)
    t = upper.select(y - 2.0, below.select(kept, kept - 1.0))
    # The leading two terms in doubled precision: they cancel around the minimum at 1.46.
    more, lost = two_product(t, upper.select(t.like(two[1]), t.like(one[1])))
    head, rest = two_sum(upper.select(t.like(two[0]), t.like(one[0])), more)
    rest = (t * t).fma(upper.select(poly(t, two[2:]), poly(t, one[2:])), rest + lost)
    near = t.fma(head, t * rest)
    log_high, log_low = _log(far.select(a, upper.select(product, below.select(a, 1.0))), short)
    sign = below.select(a.like(-1.0), a.like(1.0))
    high, low = two_sum(log_high * sign, near)
    low = low + log_low * sign
    return _choose(far, _stirling(far.select(a, 9.0), log_high, log_low, short), (high, low))


def _choose(condition: Value, a: tuple[Value, Value], b: tuple[Value, Value]) -> tuple[Value, Value]:
    return condition.select(a[0], b[0]), condition.select(a[1], b[1])


def _stirling(a: Value, log_high: Value, log_low: Value, short: bool) -> tuple[Value, Value]:
    inverse = 1.0 / a
    series = poly(inverse * inverse, tables.STIRLING_32 if short else tables.STIRLING_64) * inverse
    less = a - 0.5
    product, lost = two_product(less, log_high)
    high, low = two_sum(product, -a)
    usable = product.lt(1e300)  # beyond, the correction is nothing and its parts may not be finite
    rest = low + (lost + less * log_low) + (series + 0.5 * math.log(2 * math.pi))
    return high, usable.select(rest, 0.0)


@function("lgamma", inline=False)
def lgamma(x: Value) -> Value:
    """log |Gamma(x)|; infinite at zero and the negative integers."""
    return _in_double(x, _lgamma)


def _lgamma(x: Value, short: bool) -> Value:
    size = absolute(x)
    usual = size.gt(0.0) & size.lt(math.inf)
    kept = usual.select(size, 1.0)
    high, low = _lgamma_positive(kept, short)
    # Nearer to zero, lgamma(-a) and lgamma(a) are the same, and the sine's product with a would vanish.
    negative = x.lt(-(2.0**-60))

    def reflected() -> list[Value]:
        # Gamma(-a) Gamma(a) = -pi / (a sin(pi a))
        sine = absolute(_half_turns(kept)[0])
        whole = sine.eq(0.0)
        log_high, log_low = _log(whole.select(1.0, sine * kept * (1 / math.pi)), short)
        a, b = two_sum(-log_high, -high)
        other = whole.select(math.inf, a + ((b - log_low) - low))
        return [negative.select(other, high + low)]

    result = choose(x.function, any_lane(negative), reflected, lambda: [high + low])[0]
    return usual.select(result, x.is_nan().select(x, x.like(math.inf)))


@function("digamma", inline=False)
def digamma(x: Value) -> Value:
    """The derivative of lgamma; NaN at zero and the negative integers."""
    return _in_double(x, _digamma)


def _digamma_positive(a: Value, short: bool) -> Value:
    below, far = a.lt(1.0), a.ge(_FAR)
    kept = far.select(1.5, a)
    steps = below.select(0.0, kept.unary("floor") - 1.0)
    y = below.select(kept + 1.0, kept - steps)
    lost = below.select(kept - (y - 1.0), 0.0)
    below_one = -1.0 / kept
    rest = below.select(below_one, 0.0)
    rounded = below.select(below_one.fma(kept, 1.0) * below_one, 0.0)
    for j in reversed(range(6)):
        place = y + float(j)  # exact, as all of it is between y and a
        term = 1.0 / place
        used = steps.gt(float(j))
        rest, less = two_sum(rest, used.select(term, 0.0))
        rounded = rounded + (less + used.select((-term).fma(place, 1.0) * term, 0.0))
    first, second = split(_ROOT, a)
    from_root = (y - first) + (lost - second)
    root = tables.DIGAMMA_ROOT_32 if short else tables.DIGAMMA_ROOT_64
    line, less = two_product(from_root, a.like(root[0]))
    high, low = two_sum(rest, line)
    near = high + (poly(y - 1.5, root[1:]) * (y - 1.5)).fma(from_root, rounded + (less + low))
    big = far.select(a, 9.0)
    inverse = 1.0 / big
    square = inverse * inverse
    series = poly(square, tables.DIGAMMA_TAIL_32 if short else tables.DIGAMMA_TAIL_64) * square
    log_high, log_low = _log(big, short)
    return far.select(log_high + (log_low - (inverse * 0.5 + series)), near)


def _digamma(x: Value, short: bool) -> Value:
    negative = x.lt(0.0)
    usual = absolute(x).lt(math.inf) & x.ne(0.0)
    kept = usual.select(x, 1.0)
    value = _digamma_positive(negative.select(1.0 - kept, kept), short)

    def reflected() -> list[Value]:
        sine, cosine = _half_turns(kept)
        whole = sine.eq(0.0)
        cotangent = whole.select(math.nan, cosine / sine)
        return [negative.select(value - cotangent * math.pi, value)]

    result = choose(x.function, any_lane(negative), reflected, lambda: [value])[0]
    return usual.select(result, x.gt(0.0).select(x, math.nan))
