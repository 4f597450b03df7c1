"""Special functions that are written with other primitives: by JAX's own algorithm where it has one, else by ours."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.primitives.bessel import scaled_bessel
from jaxbm.kernels.program.primitives.elementwise import operands
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of

ALGORITHMS = {
    "igamma": "igamma_impl",
    "igammac": "igammac_impl",
    "igamma_grad_a": "igamma_grad_a_impl",
    "random_gamma_grad": "random_gamma_grad_impl",
    "regularized_incomplete_beta": "regularized_incomplete_beta_impl",
}

CLOSE = "in float64 to 16 units in the last place"


def _algorithm(name: str) -> Any:
    try:
        from jax._src.lax import special
    except ImportError:
        raise NotNative("its algorithm isn't where it is in the versions of JAX that are known here") from None
    found = getattr(special, name, None)
    if found is None:
        raise NotNative("its algorithm isn't where it is in the versions of JAX that are known here")
    return found


@rule(*ALGORITHMS, kind="special function", note="by JAX's own algorithm")
def by_algorithm(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The function's definition; half types are computed in float32."""
    algorithm = _algorithm(ALGORITHMS[eqn.primitive.name])
    args = operands(tracer, eqn, inputs)
    dtype = dtype_of(eqn.outvars[0].aval)
    wide = "float32" if dtype in ("float16", "bfloat16") else dtype
    out = tracer.call(lambda *a: algorithm(*a, dtype=jnp.dtype(wide)), *(tracer.convert(a, wide) for a in args))
    return [tracer.convert(v, dtype) for v in out]


def _in_double(tracer: Tracer, eqn: Any, inputs: list[Value], function: Callable[..., Any]) -> list[Value]:
    """A function of float64, whatever the operands are."""
    args = [tracer.convert(v, "float64") for v in operands(tracer, eqn, inputs)]
    with jax.enable_x64(True):
        out = tracer.call(function, *args)
    return [tracer.convert(v, dtype_of(eqn.outvars[0].aval)) for v in out]


@rule("bessel_i0e", "bessel_i1e", kind="special function")
def bessel(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The exponentially scaled modified Bessel functions of orders 0 and 1."""
    order = int(eqn.primitive.name == "bessel_i1e")
    return _in_double(tracer, eqn, inputs, functools.partial(scaled_bessel, order))


@rule("zeta", kind="special function", note=CLOSE)
def zeta(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The Hurwitz zeta function."""
    return _in_double(tracer, eqn, inputs, hurwitz_zeta)


@rule("polygamma", kind="special function", note=CLOSE)
def polygamma(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The derivatives of digamma."""
    return _in_double(tracer, eqn, inputs, nth_of_digamma)


TERMS = 10
"""Terms that are added up before the rest is taken from the Euler-Maclaurin formula."""


def _bernoulli(count: int) -> list[Fraction]:
    """B[2 j] / (2 j)! for j from 1."""
    numbers = [Fraction(1)]
    for n in range(1, 2 * count + 1):
        numbers.append(-sum((math.comb(n + 1, k) * b for k, b in enumerate(numbers)), Fraction(0)) / (n + 1))
    return [numbers[2 * j] / math.factorial(2 * j) for j in range(1, count + 1)]


def hurwitz_zeta(s: Any, q: Any) -> Any:
    """The sum of (q + k)**-s over k from 0 (Abramowitz and Stegun 23.1 and 23.2; DLMF 25.11.28).

    As XLA has it: infinite at s = 1 and at the poles where it has the same sign on both sides; NaN at the other
    poles, below s = 1, at infinity, and where q is negative and s no integer.
    """
    a = q + TERMS
    power = a**-s
    rest, factor, scale = jnp.zeros_like(s), s, power / a
    for j, b in enumerate(_bernoulli(12), 1):
        rest = rest + float(b) * factor * scale
        factor, scale = factor * (s + (2 * j - 1)) * (s + 2 * j), scale / (a * a)
    rest = rest + 0.5 * power + power * a / (s - 1.0)
    terms = [(q + k) ** -s for k in reversed(range(TERMS))]
    direct = sum(terms[1:], terms[0])
    total = sum(terms[1:], rest + terms[0])
    out = jnp.where(jnp.abs(power) < jnp.abs(direct) * 2.0**-53, direct, total)
    whole = s == jnp.floor(s)
    out = jnp.where((s < 1) | jnp.isinf(s) | ((q <= 0) & ~whole), jnp.nan, out)
    pole = (q <= 0) & (q == jnp.floor(q))
    out = jnp.where(pole, jnp.where(whole & _is_even(s), jnp.inf, jnp.nan), out)
    return jnp.where(s == 1, jnp.inf, out)


def _is_even(x: Any) -> Any:
    return lax.rem(x, jnp.full_like(x, 2.0)) == 0


def nth_of_digamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma: (-1)**(n + 1) n! zeta(n + 1, x) (Abramowitz and Stegun 6.4.10)."""
    factorials = np.cumprod(np.concatenate([[1.0], np.arange(1.0, 171.0)]))
    place = jnp.clip(jnp.nan_to_num(n), 0, 171).astype(jnp.int32)
    factorial = jnp.append(jnp.asarray(factorials), jnp.inf)[place]
    sign = jnp.where(_is_even(n), -1.0, 1.0)
    out = jnp.where(n == 0, lax.digamma(x), sign * factorial * hurwitz_zeta(n + 1.0, x))
    return jnp.where((n < 0) | (n != jnp.floor(n)), jnp.nan, out)
