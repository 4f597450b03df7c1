"""What the cost model leaves to XLA, and what it doesn't: by shapes, each side of what was measured."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxbm.kernels.program import cost
from jaxbm.kernels.program.traced import trace_jaxpr


def convolution(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def layer(x, w):
    return jnp.tanh(x @ w)


def taken(x):
    return jnp.take(x.ravel(), x.ravel().astype(jnp.int32), mode="clip")


def steps(x):
    return lax.fori_loop(0, 10, lambda i, x: lax.erf(x) + 0.1, x)


def beside(x):
    return lax.fori_loop(0, 10, lambda i, x: lax.erf(jnp.sin(x)) + jnp.exp(x), x)


CASES = [
    (jnp.add, [(1_000_000,)] * 2, True), (jnp.add, [(1_500_000,)] * 2, False),
    (jnp.matmul, [(240, 240)] * 2, True), (jnp.matmul, [(256, 256)] * 2, False),
    (convolution, [(8, 16, 16, 8), (3, 3, 8, 8)], True), (convolution, [(8, 32, 32, 32), (3, 3, 32, 32)], False),
    (jnp.tanh, [(1_000,)], True), (jnp.tanh, [(30_000,)], False),
    (jnp.sort, [(1_500_000,)], True), (jnp.cumsum, [(1_500_000,)], True), (taken, [(100, 100)], True),
    (taken, [(1_000, 1_000)], False), (layer, [(512, 64), (64, 64)], True),
    (lax.erf, [(100,)], True), (lax.erf, [(1_000,)], False), (steps, [(100,)], True), (steps, [(30_000,)], False),
    (steps, [()], False), (beside, [()], True),
]  # fmt: skip


@pytest.mark.parametrize(("function", "shapes", "native"), CASES)
def test_large_work_is_left_to_xla(function, shapes, native):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    reason = cost.reason_for_xla(trace_jaxpr(jax.make_jaxpr(function)(*arguments)).block)
    assert (reason is None) is native, reason


def test_functions_of_doubles_are_no_less_exact_by_xla():
    with jax.enable_x64(True):
        argument = jax.ShapeDtypeStruct((30_000,), jnp.float64)
        assert cost.reason_for_xla(trace_jaxpr(jax.make_jaxpr(jnp.tanh)(argument)).block) is None
