"""Places of extremes along rows of every length, in vectors and one by one: ties, NaN and zeros of both signs."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import jax
import jax.numpy as jnp

import jaxbm

LENGTHS = (7, 15, 16, 17, 33, 64)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int8", "uint32", "int64", "bool"])
def test_places_of_extremes(dtype):
    rng = np.random.default_rng(0)
    rows = {}
    for n in LENGTHS:
        x = rng.integers(0, 2 if dtype == "bool" else 9, size=(30, n)).astype(float)
        if "float" in dtype:
            for value, share in ((np.nan, 0.03), (np.inf, 0.03), (-np.inf, 0.03), (-0.0, 0.1)):
                x[rng.random(x.shape) < share] = value
        rows[str(n)] = x

    def places(rows):
        return {n: [f(x, axis) for f in (jnp.argmax, jnp.argmin) for axis in (0, 1)] for n, x in rows.items()}

    with jax.enable_x64(True):
        rows = {n: jnp.asarray(x).astype(dtype) for n, x in rows.items()}
        own, expected = jaxbm.accelerate(places, require=True)(rows), jax.jit(places)(rows)
    jax.tree.map(np.testing.assert_array_equal, own, expected)
