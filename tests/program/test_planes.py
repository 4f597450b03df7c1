"""Arrays of many points with few coordinates: loops run along the points, whatever order the caller's arrays have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

pytest.importorskip("llvmlite")

import jaxbm
from jaxbm.kernels.program.lazy import in_planes


def swirl(y, flags):
    """Slices of the last axis, a stack along it, and a row of every pass."""

    def step(carry, _):
        y, flags = carry
        parts = [y[..., k] * 0.5 - y[..., k - 1] for k in range(y.shape[-1])]
        y = y + 0.1 * jnp.stack(parts, -1) + y.sum(-1, keepdims=True) * 0.01
        flags = jnp.concatenate([flags[:, 1:], (parts[0] > 0)[:, None]], 1)
        return (y, flags), y

    (y, flags), rows = lax.scan(step, (y, flags), None, 5)
    return y, flags, rows, y.reshape(-1)[3:], y[::-1, ::-1]


@pytest.mark.parametrize("shape", [(13, 2), (20, 3), (37, 4)])
def test_coordinates_in_any_order(shape):
    y = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    arguments = y, jnp.zeros(shape, bool)
    found, expected = jaxbm.accelerate(swirl, require=True)(*arguments), jax.jit(swirl)(*arguments)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_every_second_third_and_fourth_element():
    """To the last one of the buffer, in whole vectors and the remainders after them."""

    def apart(x):
        return [x[start::step] + x.dtype.type(1) for step in (2, 3, 4) for start in range(step)]

    compiled = jaxbm.accelerate(lambda *xs: [apart(x) for x in xs], require=True)
    for n in (50, 133):
        xs = [jnp.arange(n, dtype=d) for d in ("float32", "int8", "float16", "int32")]
        for x, found in zip(xs, compiled(*xs), strict=True):
            for a, b in zip(found, apart(x), strict=True):
                np.testing.assert_array_equal(a, b)


def test_which_arrays_stand_coordinate_by_coordinate():
    assert in_planes((100, 2)) == (1, 100)
    assert in_planes((5, 5, 3)) == (5, 1, 25)
    for shape in [(), (100,), (100, 1), (100, 5), (4, 4), (0, 3)]:
        assert in_planes(shape) is None
