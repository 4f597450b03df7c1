"""Products stand in memory in the order in which they are read."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("llvmlite")

import jaxbm
from jaxbm.kernels.program.build import emit  # with the rules by which nodes are written
from jaxbm.kernels.program.traced import trace_jaxpr

X, W, C = (jax.random.normal(jax.random.key(k), s) for k, s in enumerate([(3, 9, 20), (3, 20, 17), (3, 9, 17)]))


def by_w(x, w, c):
    return jax.grad(lambda w: (c * (x @ w)).sum())(w)


def heads(x, w, c):
    """A weight of three axes, whose gradient is turned by more than one place."""
    w = w.reshape(20, 3, 17)
    return jax.grad(lambda w: (c.reshape(9, 3, 17) * jnp.einsum("ni,iho->nho", x, w)).sum())(w)


def read_twice(x, w, c):
    product = jnp.einsum("ni,no->oi", x, c)
    return product.T + 1, product * 2


def a_column(x, w, c):
    return by_w(x, w[:, :1], c[:, :1])


CASES = {  # of a product (1 or 3, m, n) that is stored by columns: 1 and m as its last strides
    "gradient": (by_w, (X[0], W[0], C[0]), [(1, 17)]),
    "members": (jax.vmap(by_w), (X, W, C), [(1, 17)]),
    "axes": (heads, (X[0], W.reshape(20, 51), C.reshape(9, 51)), [(1, 51)]),
    "twice": (read_twice, (X[0], W[0], C[0]), [(20, 1)]),
    "column": (a_column, (X[0], W[0], C[0]), [(20, 1)]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_only_a_transpose_reads_is_stored_by_columns(name):
    f, arguments, wanted = CASES[name]
    written = emit(trace_jaxpr(jax.make_jaxpr(f)(*arguments)).block)
    found = re.findall(r"define void @dot[.\w]*\.(\d+)\.(\d+)\(", written.products)
    assert [tuple(map(int, pair)) for pair in found] == wanted


def test_the_layout_makes_no_difference():
    def everything():
        return [f(*arguments) for f, arguments, _ in CASES.values()]

    results = jaxbm.accelerate(everything)(), jax.jit(everything)()
    for ours, theirs in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 3), (3, 64), (2, 48, 2), (64, 1), (5, 3)], ids=str)
def test_costly_elements_fill_vectors(shape):
    """Bits of many keys, a few of each: vectors lie along the keys, with the bits that they have one by one."""

    def f(seeds):
        keys = jax.vmap(jax.random.key)(seeds.reshape(-1))
        return jax.vmap(lambda k: jax.random.bits(k, shape[-1:]))(keys).reshape(*shape[:-1], -1)

    seeds = jnp.arange(np.prod(shape[:-1]), dtype=jnp.uint32)
    np.testing.assert_array_equal(jaxbm.accelerate(f, require=True)(seeds), jax.jit(f)(seeds))
    text = emit(trace_jaxpr(jax.make_jaxpr(f)(seeds)).block, vector_bytes=32, wide_bytes=32).text
    if max(shape) >= 48:
        assert re.search(r"call [^\n]*threefry[^\n]*v8i32", text)


def test_costly_elements_in_an_order_that_somebody_gave():
    def f(x):
        return jnp.tanh(jnp.exp(x[:, :3]) * jnp.sin(x[:, 1:4])), jnp.logaddexp(x.T[:3], x.T[1:4])

    x = jnp.asarray(np.random.default_rng(0).normal(size=(50, 5)), jnp.float32)
    for ours, theirs in zip(jaxbm.accelerate(f, require=True)(x), jax.jit(f)(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("shape", "across"), [((25, 3), True), ((5, 5, 3), True), ((40, 4), True), ((25, 9), False)])
def test_coordinates_of_many_points_are_summed_across_points(shape, across):
    """No vector's own lanes are added, which takes longer than three or four terms."""

    def f(x):
        return jnp.square(x - 1.5).sum(-1), jnp.exp(x).max(-1)

    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    for ours, theirs in zip(jaxbm.accelerate(f, require=True)(x), jax.jit(f)(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    text = emit(trace_jaxpr(jax.make_jaxpr(f)(x)).block, vector_bytes=32, wide_bytes=32).text
    assert ("vector.reduce" not in text) is across
