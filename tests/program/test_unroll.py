"""Loops whose passes are known are written out, and rows that were just written are taken as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

pytest.importorskip("llvmlite")

import jaxbm
from jaxbm.kernels.program.ir import listing
from jaxbm.kernels.program.traced import trace_jaxpr

WEIGHTS = np.tril(np.linspace(-0.5, 1, 25).reshape(5, 5), -1).astype(np.float32)


def stages(first, y, k0):
    """A Runge-Kutta method as a loop over its stages, the first of which may be known; as Diffrax has it."""

    def body(carry):
        i, count, ks, _ = carry
        at = y + jnp.tensordot(jnp.asarray(WEIGHTS)[i], ks, 1)
        return i + 1, count + 1, ks.at[i].set(jnp.sin(at)), at

    start = jnp.where(first, 0, 1)
    ks = jnp.zeros((5, *y.shape), y.dtype).at[0].set(k0)
    going = lambda c: (c[0] < 5) & (c[1] < 7)  # noqa: E731
    i, count, ks, at = lax.while_loop(going, body, (start, 0, ks, y))
    return i, count, ks, at, jnp.asarray(WEIGHTS[4]) @ ks.reshape(5, -1), ks[1:3], ks[2]


def ops(f, *args):
    return [node.op for _, node in trace_jaxpr(jax.make_jaxpr(f)(*args)).block.walk()]


@pytest.mark.parametrize("shape", [(3,), (9, 2)])
def test_stages_are_written_out_for_either_start(shape):
    y = jnp.linspace(-1, 2, int(np.prod(shape))).reshape(shape)
    found = ops(stages, True, y, y)
    assert "switch" in found
    assert not {"while", "scatter", "dot", "dynamic_slice"} & set(found)
    native = jaxbm.accelerate(stages, require=True)
    for first in (True, False):
        for k0 in (0.3 * y, y.at[0].set(jnp.nan), y.at[0].set(jnp.inf)):
            for a, b in zip(native(first, y, k0), jax.jit(stages)(first, y, k0), strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_window_that_is_no_row():
    """It starts in a row and goes across all of them, so that it has a row's number of elements."""
    dims = lax.ScatterDimensionNumbers((0, 1), (), (0,))
    f = lambda u: lax.scatter(jnp.zeros((3, 3)), jnp.array([0]), u, dims)  # noqa: E731
    out = jaxbm.accelerate(f, require=True)(jnp.array([[1.0], [2.0], [3.0]]))
    assert out.tolist() == [[1, 0, 0], [2, 0, 0], [3, 0, 0]]


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 5, 1), (3, 3, 1), (9, 2, -3), (0, 400, 25), (0, 17, 1)])
def test_counters_of_any_kind(start, stop, step):
    """Also where no pass comes, where it counts down, and where it is too long to be written out."""

    def f(x):
        going = (lambda c: c[0] < stop) if step > 0 else (lambda c: c[0] > stop)
        return lax.while_loop(going, lambda c: (c[0] + step, c[1] * 1.1 + c[0]), (jnp.int32(start), x))

    passes = len(range(start, stop, step))
    assert ("while" in ops(f, jnp.ones(2))) == (passes > 16)
    for a, b in zip(jaxbm.accelerate(f, require=True)(jnp.ones(2)), jax.jit(f)(jnp.ones(2)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_loop_that_its_data_decide_stays_one():
    def f(x):
        return lax.while_loop(lambda c: (c[0] < 5) & (c[1] < 10.0), lambda c: (c[0] + 1, c[1] * 2), (0, x))

    assert "while" in ops(f, 1.0)
    for x in (1.0, 3.0, 20.0):
        assert [v.item() for v in jaxbm.accelerate(f, require=True)(x)] == [v.item() for v in jax.jit(f)(x)]


def rows(x, y):
    """Rows of a known array, some written twice, read one by one, several at once and through other shapes."""
    a = jnp.full((4, 3), -0.0).at[1].set(x).at[3].set(y).at[1].set(x * y)
    b = jnp.zeros((3, 4)).at[:, 2].set(x).T
    wide = jnp.broadcast_to(x, (2, 4, 3)).at[:, 3].set(jnp.stack([x, y]))
    outside = a.at[7].set(x), a.at[-1].set(x)
    return a, a[1], a[0:2], a[2:], a.T[:, 3], a.reshape(4, 3, 1)[3], b, b[2], b[1:], wide, wide[:, 2:], outside


def test_rows_of_arrays_that_are_put_together():
    x, y = jnp.asarray([1.0, -0.0, jnp.nan]), jnp.asarray([2.0, 3.0, -4.0])
    found, expected = jaxbm.accelerate(rows, require=True)(x, y), rows(x, y)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
    assert "slice" not in listing(trace_jaxpr(jax.make_jaxpr(lambda x, y: rows(x, y)[1])(x, y)).block)


def test_slices_of_what_has_no_operands():
    def f(x):
        n, of_axis = jnp.arange(6), lax.broadcasted_iota(jnp.int32, (3, 4), 1)
        return (
            x + n[2:4],
            n.reshape(2, 3)[1:],
            of_axis.T[1:3],
            of_axis[:, None][1:],
            n.at[2].set(7),
            of_axis.at[1].set(0),
        )

    x = jnp.ones(2, jnp.int32)
    results = jaxbm.accelerate(f, require=True)(x), jax.jit(f)(x)
    for a, b in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_array_equal(a, b)
