"""Reductions over windows, pooling with its derivatives, and reductions by any function, against jax.jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract import checked, same
from jax import lax

import jaxbm

rng = np.random.default_rng(0)
X = (
    jnp.asarray(rng.normal(size=(5, 7)), jnp.float32)
    .at[1, 2]
    .set(jnp.nan)
    .at[4, 6]
    .set(jnp.nan)
    .at[0, 0]
    .set(-jnp.inf)
)
TIES = jnp.asarray(rng.integers(0, 3, (5, 7)), jnp.float32)
INTEGERS = jnp.asarray(rng.integers(-100, 100, (5, 7)), jnp.int8)


def pooled(x, combine=lax.max, start=-np.inf, size=(2, 3), strides=(1, 2), padding="SAME", **more):
    return lax.reduce_window(x, np.asarray(start, x.dtype), combine, size, strides, padding, **more)


def test_windows_of_every_kind():
    def every(x, ties, integers):
        dilated = {"base_dilation": (2, 1), "window_dilation": (1, 2)}
        return {
            "max": pooled(x),
            "min": pooled(x, lax.min, np.inf, strides=(2, 2), padding="VALID"),
            "sum": pooled(ties, lax.add, 0, **dilated),
            "padded": pooled(ties, lax.max, padding=((1, 2), (0, 3)), **dilated),
            "cut": pooled(ties, lax.add, 0, padding=((-1, 0), (1, -2))),
            "integers": [pooled(integers, f, s) for f, s in ((lax.max, -128), (lax.min, 127), (lax.add, 0))],
            "booleans": [pooled(ties > 0, f, s) for f, s in ((lax.max, False), (lax.min, True))],
            "halves": pooled(ties.astype(jnp.bfloat16), lax.add, 0),
            # By a function of one's own, with a start that changes the result.
            "product": pooled(ties, lax.mul, 2.0, padding="VALID"),
            "pair": lax.reduce_window(
                (ties, integers), (jnp.float32(0.5), jnp.int8(3)),
                lambda a, b: (a[0] * 0.5 + b[0], a[1] + b[1] * 2), (2, 2), (1, 1), "VALID",
            ),
            "nothing": pooled(x, size=(9, 1), padding="VALID"),
        }  # fmt: skip

    with checked():
        same(every, X, TIES, INTEGERS)


def test_derivatives_of_pooling_choose_as_xla_does():
    # Of equal elements the first; what stands beside a NaN is chosen in XLA's way too.
    def every(x, ties):
        def both(x):
            value, back = jax.vjp(pooled, x)
            forward = jax.jvp(pooled, (x,), (jnp.cos(jnp.arange(35.0)).reshape(5, 7),))[1]
            return value, back(jnp.sin(1.0 + value * 0 + jnp.arange(value.size).reshape(value.shape))), forward

        mean = lambda x: pooled(x, lax.add, 0.0, size=(2, 2), strides=(2, 2), padding="VALID")  # noqa: E731
        least = lambda x: pooled(x, lax.min, np.inf).sum()  # noqa: E731
        return both(x), both(ties), jax.vmap(jax.grad(least))(jnp.stack([ties, -ties])), jax.jacfwd(mean)(ties)

    with checked():
        same(every, X, TIES)


def test_padding_for_any_function_is_left_to_xla():
    f = lambda x: pooled(x, lax.mul, 2.0)  # noqa: E731
    with pytest.raises(NotImplementedError, match="reduce_window: padding"):
        jaxbm.accelerate(f, require=True)(TIES)
    np.testing.assert_array_equal(jaxbm.accelerate(f)(TIES), jax.jit(f)(TIES))


def test_reductions_by_any_function():
    def f(x, n):
        pair = lax.reduce(
            (x, n), (jnp.float32(0), jnp.int8(3)), lambda a, b: (a[0] * 0.5 + b[0], a[1] * 3 + b[1]), (0,)
        )
        return pair, lax.reduce(n, jnp.int8(1), lambda a, b: a * b - a, (0, 1))

    same(f, TIES, INTEGERS)
