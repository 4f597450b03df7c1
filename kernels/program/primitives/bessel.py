"""The modified Bessel functions of orders 0 and 1, exponentially scaled, in double precision.

Below 32 they are Taylor polynomials about the middles of intervals of length 1, beyond it their asymptotic series.
The coefficients are computed where they are first needed, with 50 digits.
"""

from __future__ import annotations

import functools
from decimal import Decimal, localcontext
from typing import Any

import jax.numpy as jnp
import numpy as np

DIGITS = 50
NEAR = 32
"""Where the asymptotic series begins: its terms shrink to 1e-17 before they grow again."""
DEGREE = 19
TERMS = 17


def _sum(order: int, x: Decimal) -> Decimal:
    """The power series of I0 or I1 (Abramowitz and Stegun 9.6.10)."""
    term = total = (x / 2) ** order
    k = 0
    while abs(term) > abs(total) * Decimal(10) ** -DIGITS:
        k += 1
        term = term * x * x / (4 * k * (k + order))
        total += term
    return total


def _taylor(order: int, c: Decimal) -> list[float]:
    """About c, exp(-x) I0(x) for order 0 and exp(-x) I1(x) / x for order 1.

    With n = 1 + 2 order both solve x f'' + (n + 2 x) f' + n f = 0, from which each coefficient follows from two.
    """
    n, scale, zero, one = 1 + 2 * order, (-c).exp(), _sum(0, c), _sum(1, c)
    if order:
        a = [scale * one / c, scale * (zero / c - 2 * one / (c * c) - one / c)]
    else:
        a = [scale * zero, scale * (one - zero)]
    for k in range(DEGREE - 1):
        known = (k + 1) * (k + n + 2 * c) * a[k + 1] + (2 * k + n) * a[k]
        a.append(-known / (c * (k + 2) * (k + 1)))
    return [float(v) for v in a]


def _asymptotic(order: int) -> list[float]:
    """sqrt(x) exp(-x) I(x) in powers of 1 / x (Abramowitz and Stegun 9.7.1)."""
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582")
    a = [1 / (2 * pi).sqrt()]
    for k in range(1, TERMS):
        a.append(-a[-1] * (4 * order - (2 * k - 1) ** 2) / (8 * k))
    return [float(v) for v in a]


@functools.cache
def coefficients(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Those below `NEAR`, [degree, interval], and those beyond."""
    with localcontext() as context:
        context.prec = DIGITS + 10
        near = [_taylor(order, k + Decimal("0.5")) for k in range(NEAR)]
        return np.array(near).T.copy(), np.array(_asymptotic(order))


def scaled_bessel(order: int, x: Any) -> Any:
    """exp(-|x|) I(x) of order 0 or 1, x of float64."""
    near, far = coefficients(order)
    size = jnp.abs(x)
    inside = jnp.where(size < NEAR, size, NEAR - 0.5)
    interval = inside.astype(jnp.int32)
    t = inside - (interval + 0.5)
    below = jnp.zeros_like(x)
    for row in near[::-1]:
        below = below * t + jnp.asarray(row).at[interval].get(mode="promise_in_bounds")
    large = jnp.maximum(size, NEAR)
    inverse, beyond = 1.0 / large, jnp.zeros_like(x)
    for c in far[::-1]:
        beyond = beyond * inverse + c
    out = jnp.where(size < NEAR, below * size if order else below, beyond / jnp.sqrt(large))
    out = jnp.where(jnp.isnan(x), x, out)
    return jnp.copysign(out, x) if order else out
