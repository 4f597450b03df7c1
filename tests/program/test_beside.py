"""What is computed from a weight's gradient, beside the product that gives it: the same bits, in fewer passes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

pytest.importorskip("llvmlite")

import jaxbm
from jaxbm.kernels.program import beside, dots
from jaxbm.kernels.program.build import emit  # with the rules by which nodes are written
from jaxbm.kernels.program.traced import trace_jaxpr

ROWS, STEPS = 24, 3


def trained(optimizer, loss, params):
    """Some steps, each with other rows, in one loop."""

    def function(params, x, y):
        def step(carry, rows):
            params, state = carry
            value, grads = jax.value_and_grad(loss)(params, *rows)
            updates, state = optimizer.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), value

        return jax.lax.scan(step, (params, optimizer.init(params)), (x, y))

    return function, params


def squared(params, x, y):
    return ((jnp.tanh(x @ params["a"]) @ params["b"] - y) ** 2).mean()


def turned(params, x, y):
    """Weights of shape (outputs, inputs), as Equinox has them."""
    return ((jnp.tanh(x @ params["a"].T) @ params["b"].T - y) ** 2).mean()


def twice(params, x, y):
    """Gradients that are sums of products."""
    return squared(params, x, y) + squared(params, x**2, y)


def weights(*shapes, dtype=np.float32):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=s).astype(dtype) / 4 for name, s in zip("abc", shapes, strict=False)}


ADAM = optax.adam(1e-2)
CASES = {  # and how many products are computed by themselves
    "adam": (*trained(ADAM, squared, weights((32, 64), (64, 48))), 3),
    "turned": (*trained(ADAM, turned, weights((64, 32), (48, 64))), 3),
    "sums": (*trained(ADAM, twice, weights((32, 64), (64, 48))), 8),
    "of one shape": (*trained(ADAM, squared, weights((64, 64), (64, 64))), 3),
    "large": (*trained(ADAM, squared, weights((64, 576), (576, 64))), 3),
    "doubles": (*trained(ADAM, squared, weights((32, 64), (64, 48), dtype=np.float64)), 3),
}


def arguments(params):
    rng, (a, b) = np.random.default_rng(1), params.values()
    inputs, outputs = (a.shape[1], b.shape[0]) if a.shape[1] == 32 else (a.shape[0], b.shape[1])
    return params, *(rng.normal(size=(STEPS, ROWS, n)).astype(a.dtype) for n in (inputs, outputs))


def bits(function, given):
    return [np.asarray(x).tobytes() for x in jax.tree.leaves(jaxbm.accelerate(function, require=True)(*given))]


@pytest.fixture
def alone(monkeypatch):
    """How many products a program computes by themselves, on a processor with wide vectors."""

    def count(function, given):
        block = trace_jaxpr(jax.make_jaxpr(function)(*given)).block
        with monkeypatch.context() as m:
            m.setattr(dots, "host", lambda: dots.Target(64, 32))
            return emit(block, wide_bytes=64).text.count("call void @dot.")

    return count


@pytest.mark.parametrize("name", CASES)
def test_no_bit_depends_on_it(name, monkeypatch, alone):
    function, params, count = CASES[name]
    with jax.enable_x64(name == "doubles"):
        given = arguments(params)
        assert alone(function, given) == count
        ours = bits(function, given)
        monkeypatch.setattr(beside, "may_wait", lambda spec: False)
        assert alone(function, given) > count
        assert bits(lambda *a: function(*a), given) == ours


@pytest.mark.parametrize(
    ("optimizer", "shapes"),
    [
        (optax.chain(optax.clip_by_global_norm(0.1), ADAM), ((32, 64), (64, 48))),  # all gradients are read before
        (ADAM, ((16, 50), (50, 7))),  # no tiles fit
    ],
)
def test_others_are_computed_by_themselves(optimizer, shapes, alone):
    function, params = trained(optimizer, squared, weights(*shapes))
    assert alone(function, arguments(params)) == 5


def exchanged(w, v, x):
    """Products whose operands change, and arrays that take each other's place."""

    def step(carry, _):
        w, v, x = carry
        return (jnp.tanh(v + x.T @ x), w / (1 + (x.T @ (2 * x)) ** 2), jnp.sin(x)), (x * 2).sum()

    return jax.lax.scan(step, (w, v, x), None, 3)


def in_a_branch(w, v, x):
    def step(carry, i):
        w, v = carry
        gradient = x.T @ (x * i)
        w = jax.lax.cond(i > 1, lambda: w / (1 + gradient**2), lambda: w)
        return (w, jnp.where(i > 0, jnp.tanh(v + gradient), v)), None

    return jax.lax.scan(step, (w, v), jnp.arange(3.0))


@pytest.mark.parametrize("function", [exchanged, in_a_branch])
def test_what_waits_reads_what_stood_there(function, monkeypatch):
    rng = np.random.default_rng(0)
    given = [rng.normal(size=s).astype(np.float32) for s in ((64, 64), (64, 64), (24, 64))]
    expected = jax.tree.leaves(jax.jit(function)(*given))
    monkeypatch.setenv("JAXBM_CHECK", "1")
    for x, y in zip(jax.tree.leaves(jaxbm.accelerate(function, require=True)(*given)), expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)
