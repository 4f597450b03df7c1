"""Special functions that JAX itself computes by other primitives: its own algorithm becomes a part of the program."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxbm.kernels.program.ir import NotNative, Value
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


@rule("bessel_i0e", kind="special function", note="by JAX's own algorithm")
def bessel_i0e(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The exponentially scaled modified Bessel function of order 0."""
    return tracer.call(_algorithm("bessel_i0e_impl"), inputs[0])
