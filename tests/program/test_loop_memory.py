"""What loops read again and again: operands laid out before them, and fewer arrays kept for a later loop."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

pytest.importorskip("llvmlite")

import jaxbm
from jaxbm.kernels.program.build import emit  # with the rules by which nodes are written
from jaxbm.kernels.program.traced import trace_jaxpr

ROWS = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)


def traced(f, *arguments):
    return trace_jaxpr(jax.make_jaxpr(f)(*arguments)).block


def layouts(f, *arguments):
    """For each product of a vector: the strides of the matrix by (row, k)."""
    products = emit(traced(f, *arguments)).products
    found = re.findall(r"define void @dot\.float32\.1\.40\.1\.5\.\d+\.(\d+)\.(\d+)", products)
    return [tuple(map(int, pair)) for pair in found]


def repeated(matrix, w, passes=10):
    return lax.fori_loop(0, passes, lambda _, w: w - 0.01 * jnp.tanh(matrix @ w)[:5], w)


def nested(matrix, w):
    return lax.scan(lambda w, _: (repeated(matrix, w), w), w, None, 6)


def asked(matrix, w):
    return lax.while_loop(lambda w: w.sum() > 1.0, lambda w: 0.9 * w - 0.001 * jnp.tanh(matrix @ w)[:5], w)


def branch(matrix, w):
    return lax.scan(lambda w, k: (lax.cond(k > 2, lambda: repeated(matrix, w), lambda: w), w), w, jnp.arange(6.0))


def members(matrices, w):
    """A product of several at once, whose matrices the loop changes half of the time."""
    return lax.fori_loop(0, 9, lambda _, w: w - 0.01 * jnp.tanh(jnp.einsum("bnk,bk->bn", matrices, w))[:, :5], w)


LOOPS = {"for": repeated, "nested": nested, "while": asked, "branch": branch}


@pytest.mark.parametrize("name", LOOPS)
def test_a_matrix_that_a_loop_leaves_alone_is_laid_out_before_it(name):
    f, w = LOOPS[name], jnp.ones(5)
    assert layouts(f, ROWS, w) == [(1, 40)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), *both(f, ROWS, w))


def both(f, *arguments):
    return jaxbm.accelerate(f, require=True)(*arguments), jax.jit(f)(*arguments)


def test_a_known_matrix_is_laid_out_by_the_compiler():
    def f(w):
        return jnp.asarray(ROWS) @ w

    assert layouts(f, jnp.ones(5)) == [(1, 40)]
    np.testing.assert_allclose(*both(f, jnp.ones(5)), rtol=2e-5)


def test_a_matrix_that_changes_or_is_read_little_stays_as_it_is():
    def changing(matrix, w):
        def step(c, _):
            m, w = c
            return (m * 0.99, w - 0.01 * jnp.tanh(m @ w)[:5]), None

        return lax.scan(step, (matrix, w), None, 10)[0]

    assert layouts(changing, ROWS, jnp.ones(5)) == [(5, 1)]
    assert layouts(lambda m, w: repeated(m, w, passes=2), ROWS, jnp.ones(5)) == [(5, 1)]
    assert layouts(lambda m, w: m @ w, ROWS, jnp.ones(5)) == [(5, 1)]


def test_several_matrices_at_once_and_members():
    matrices = jnp.stack([ROWS, -ROWS, 2 * ROWS])
    for f, arguments in ((members, (matrices, jnp.ones((3, 5)))), (jax.vmap(repeated), (matrices, jnp.ones((3, 5))))):
        np.testing.assert_allclose(*both(f, *arguments), rtol=2e-5, atol=1e-6)


# What a loop keeps for its gradient


def pairs(x, v, masses, reverse=False, more=False):
    """Differences of all pairs, which JAX keeps twice, each time with a factor."""

    def step(carry, pull):
        x, v = carry
        apart = x[None] - x[:, None]
        near = 1.0 / (jnp.square(apart).sum(-1) + 0.1)
        v = v + 0.01 * pull * (masses[None, :, None] * apart * near[..., None]).sum(1)
        return (x + 0.01 * v, v), (apart if more else v)

    (x, v), out = lax.scan(step, (x, v), jnp.linspace(1.0, 2.0, 30), reverse=reverse)
    return (x * v).sum() + jnp.square(out).mean()


def kept_bytes(block):
    """Of what the first loop stacks."""
    scan = next(node for node in block.nodes if node.op == "scan")
    return sum(v.size for v in scan.outputs[scan.params["n_carry"] :]) // scan.params["length"]


POINTS = tuple(jnp.asarray(np.random.default_rng(1).normal(size=s), jnp.float32) for s in ((5, 3), (5, 3), (5,)))


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"more": True}], ids=str)
def test_a_gradient_keeps_what_differences_come_from(options):
    f = jax.value_and_grad(lambda *points: pairs(*points, **options), (0, 1, 2))
    ours, theirs = both(f, *POINTS)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    limit = 5 * 5 * 3 + 130 if options.get("more") else 130
    assert kept_bytes(traced(f, *POINTS)) <= limit  # two arrays of 75 and more without


def test_what_takes_long_to_compute_is_kept():
    def loss(x):
        return lax.scan(lambda x, _: (jnp.sin(x) * 0.9 + jnp.tanh(x), x[0]), x, None, 9)[0].sum()

    f = jax.grad(loss)
    _, second = [node for node in traced(f, jnp.ones(9)).nodes if node.op == "scan"]
    inside = {node.op for node in second.blocks[0].nodes}
    assert not inside & {"sin", "tanh", "cos"}
    np.testing.assert_allclose(*both(f, jnp.ones(9)), rtol=1e-5)


def test_what_somebody_else_reads_too_is_kept():
    def f(x):
        _, rows = lax.scan(lambda c, a: (c + a, (c[:, None] * a[None, :], 2.0 * c)), x[0], x)
        again = lax.scan(lambda c, r: (c + r[0].sum(0) + r[1], c), x[0], rows)
        return again, rows[0], lax.scan(lambda c, r: (c - r, c), x[0], rows[1])

    x = jnp.asarray(np.random.default_rng(2).normal(size=(7, 9)), jnp.float32)
    for a, b in zip(*map(jax.tree.leaves, both(f, x)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_lengths_that_differ_and_loops_inside_loops():
    def f(x):
        def inner(x, _):
            return (
                lax.scan(lambda c, _: (c * 1.01 + (c[None] - c[:, None]).sum(0) * 1e-3, None), x, None, 5)[0],
                x[0],
            )

        return lax.scan(inner, x, None, 4)[0].sum()

    x = jnp.asarray(np.random.default_rng(3).normal(size=20), jnp.float32)
    np.testing.assert_allclose(*both(jax.grad(f), x), rtol=1e-5)
    np.testing.assert_allclose(*both(jax.grad(lambda x: jax.grad(f)(x).sum()), x), rtol=1e-5, atol=1e-5)
