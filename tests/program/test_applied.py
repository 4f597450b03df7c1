"""A function of what stands at computed places (`x.at[i].apply`), against jax.jit."""

import jax
import jax.numpy as jnp
from contract import same
from jax import lax

X = jnp.arange(12.0).reshape(4, 3)
TWICE = jnp.asarray([1, 3, 1])
OUTSIDE = jnp.asarray([1, -7, 9])


def grow(v):
    return v * 1.5 + 1


def test_each_place_as_often_as_it_is_named():
    def every(x, i, j):
        return {
            "rows": x.at[i].apply(grow),
            "elements": x.at[i, i % 3].apply(grow),
            "parts of rows": x.at[i, 1:].apply(grow),
            "columns": x.at[:, i % 3].apply(grow),
            "one": x.at[2].apply(grow),
            "all": x.at[()].apply(grow),
            "a scalar": x[0, 1].at[()].apply(grow),
            "none": x.at[i[:0]].apply(grow),
            "outside": x.at[j].apply(grow),
            "clipped": x.at[j].apply(grow, mode="clip"),
            "booleans": (x > 3).at[i].apply(jnp.logical_not),
            "in a loop": lax.fori_loop(0, 4, lambda k, x: x.at[k].apply(grow), x),
        }

    same(every, X, TWICE, OUTSIDE, exact=True)


def test_members():
    xs, i = jnp.stack([X, -X]), jnp.asarray([[0, 3, 3], [1, 1, 9]], jnp.int8)
    one = lambda x, i: x.at[i].apply(grow)  # noqa: E731
    same(jax.vmap(one), xs, i, exact=True)
    same(jax.vmap(one, in_axes=(None, 0)), X, i, exact=True)
    inner = jnp.asarray([[[0, 1], [1, 1], [2, 0], [5, -1]]] * 2, jnp.int8)
    same(jax.vmap(jax.vmap(one)), xs, inner, exact=True)
