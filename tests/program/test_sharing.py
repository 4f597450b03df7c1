"""What is changed where it stands is read by nobody else, also where it was computed only for another operand."""

import jax
import jax.numpy as jnp
import pytest
from contract import same
from jax import lax

pytest.importorskip("llvmlite")


X = jnp.linspace(0.6, 2.1, 9, dtype=jnp.float32)


def costly(x):
    """What is stored rather than computed twice."""
    return jnp.where((x > 1) & (x < 5), x, 2.0)


def added(x, i):
    s = costly(x)
    return s.at[i % 4].add(1 / (s + 1)), jnp.exp(-s)


def replaced(x, i):
    s = costly(x)
    return lax.dynamic_update_slice(s, 1 / (s + 1), (i[0],)), jnp.exp(-s)


def carried(x, i):
    s = costly(x)
    out, _ = lax.while_loop(lambda c: c[1][0] < 30, lambda c: (c[0] * 0.5, c[1] + 1), (1 / (s + 1), s))
    return out, jnp.exp(-s)


def carried_twice(x, i):
    s = costly(x)
    step = lambda c, row: ((c[0] * 0.5 + row, c[1] + c[0], c[2] * 0.9 - c[1]), row)  # noqa: E731
    (a, b, c), _ = lax.scan(step, (1 / (s + 1), s, s), jnp.arange(30.0))  # many passes, or they are written out
    return a + b + c  # results that are returned as they are have places of their own


def test_an_operand_that_is_read_later_is_not_overwritten():
    cases = (added, replaced, carried, carried_twice)
    same(lambda x, i: [f(x, i) for f in cases], X, jnp.arange(9))
    for f in cases:  # each alone, where nothing else has computed the operand before
        same(f, X, jnp.arange(9))


def test_integrals_in_several_loops():
    same(jax.scipy.special.exp1, X, factor=3.0)
