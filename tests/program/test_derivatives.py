"""Derivatives of an accelerated function, taken from outside, are native too and are those of the function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract import reference
from jax import export, lax

import jaxbm


def energy(params, x, n):
    """Pytrees, integers and a second result, as an objective has them."""

    def step(c, k):
        c = jnp.tanh(params["w"] @ c + params["b"] * k)
        return c, c.sum()

    c, sums = lax.scan(step, x, jnp.arange(4.0))
    return jnp.square(c).sum() + sums.mean(), (sums, n + 1)


R = np.random.default_rng(0)
PARAMS = {"w": jnp.asarray(R.normal(size=(6, 6)) * 0.4, jnp.float32), "b": jnp.asarray(R.normal(size=6), jnp.float32)}
X = jnp.asarray(R.normal(size=6), jnp.float32)
XS = jnp.asarray(R.normal(size=(5, 6)), jnp.float32)


def close(got, wanted, rtol=1e-4):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol, 1e-5), got, wanted)


def calls(f, *args):
    """How many native calls it makes, and whether it does anything else of weight."""
    text = jax.jit(f).lower(*args).as_text()
    return text.count("custom_call @jaxbm_program"), "dot_general" in text


def test_value_and_gradient():
    f = jaxbm.accelerate(energy, require=True)
    wanted = reference(jax.value_and_grad(energy, has_aux=True))(PARAMS, X, 3)
    close(jax.value_and_grad(f, has_aux=True)(PARAMS, X, 3), wanted)
    # A gradient without the value is a single program.
    gradient = lambda p: jax.grad(lambda q: f(q, X, 3)[0])(p)  # noqa: E731
    close(jax.jit(gradient)(PARAMS), wanted[1])
    assert calls(gradient, PARAMS) == (1, False)


def test_forwards_and_twice():
    f = jaxbm.accelerate(lambda x: energy(PARAMS, x, 0)[0], require=True)
    plain = lambda x: energy(PARAMS, x, 0)[0]  # noqa: E731
    every = lambda g: {  # noqa: E731
        "jvp": jax.jvp(g, (X,), (X + 1,)),
        "forwards twice": jax.jacfwd(jax.jacfwd(g))(X),
        "hessian": jax.hessian(g)(X),
        "backwards twice": jax.jacrev(jax.grad(g))(X),
        "linearized": jax.linearize(g, X)[1](X),
    }
    close(jax.jit(lambda: every(f))(), reference(lambda: every(plain))(), 1e-3)
    assert calls(lambda x: jax.jvp(f, (x,), (x,)), X) == (2, False)


def test_members_with_shared_and_own_arguments():
    f = jaxbm.accelerate(energy, require=True)
    loss = lambda g: lambda p, xs: jax.vmap(lambda x: g(p, x, 0)[0])(xs).mean()  # noqa: E731

    def both(g):
        return jax.grad(loss(g), (0, 1))(PARAMS, XS), jax.vmap(jax.grad(loss(g)), (None, 0))(PARAMS, XS[:, None])

    close(jax.jit(lambda: both(f))(), reference(lambda: both(energy))())
    pushed = lambda g: jax.jvp(lambda p: jax.vmap(lambda x: g(p, x, 0)[0])(XS), (PARAMS,), (PARAMS,))  # noqa: E731
    close(jax.jit(lambda: pushed(f))(), reference(lambda: pushed(energy))())


def test_inside_loops_and_other_accelerated_functions():
    f = jaxbm.accelerate(lambda p, x: energy(p, x, 0)[0], require=True)
    plain = lambda p, x: energy(p, x, 0)[0]  # noqa: E731

    def descend(g):
        step = lambda p, x: (jax.tree.map(lambda a, b: a - 0.1 * b, p, jax.grad(g)(p, x)), g(p, x))  # noqa: E731
        return lambda p: lax.scan(step, p, XS)

    wanted = reference(descend(plain))(PARAMS)
    close(jax.jit(descend(f))(PARAMS), wanted)
    close(jaxbm.accelerate(descend(f), require=True)(PARAMS), wanted)
    remembered = jax.grad(lambda p: jax.checkpoint(f)(p, X))
    close(remembered(PARAMS), jax.grad(plain)(PARAMS, X))


def test_what_has_no_native_derivative_is_differentiated_by_jax():
    def f(x):
        y = lax.while_loop(lambda c: c.sum() < 9, lambda c: c * 2, jnp.square(x) + 0.1)
        return jnp.sin(y)

    g = jaxbm.accelerate(f, require=True)
    close(jax.jvp(g, (X,), (X,)), jax.jvp(f, (X,), (X,)))
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        jax.grad(lambda x: g(x).sum())(X)

    def decomposed(x):
        return jnp.linalg.eigvalsh(jnp.outer(x, x) + jnp.diag(jnp.arange(6.0))).sum()

    close(jax.grad(jaxbm.accelerate(decomposed))(X), jax.grad(decomposed)(X), 1e-3)


def test_derivatives_can_be_exported():
    f = jaxbm.accelerate(lambda x: jnp.sin(x) * x, require=True)
    exported = export.export(jax.jit(jax.grad(lambda x: f(x).sum())))(X)
    assert "custom_call @jaxbm" not in exported.mlir_module()
    close(exported.call(X), jax.grad(lambda x: (jnp.sin(x) * x).sum())(X))


# Each takes x and c and gives several results, of which some have no derivative by x; and of which that is asked.
STILL = {
    "another argument": (lambda x, c: (x, c * 2), 1),
    "an argument that isn't used": (lambda x, c: c * 2, None),
    "rounded to an integer": (lambda x, c: (x * 0).astype(jnp.int32).astype(x.dtype) * c, None),
    "stopped": (lambda x, c: lax.stop_gradient(x) * c, None),
    "beside others in a loop": (lambda x, c: lax.fori_loop(0, 3, lambda i, v: (v[0] + v[1], v[1] * 2), (x, c)), 1),
    "beside others in a scan": (lambda x, c: lax.scan(lambda v, _: (v * 2, x), c, None, length=3), 0),
    "beside others in a branch": (lambda x, c: lax.cond(c > 1, lambda: (x, c), lambda: (2 * x, -c)), 1),
}


@pytest.mark.parametrize("case", STILL)
def test_what_has_no_derivative_is_a_zero_that_jax_knows(case):
    """The root's infinite derivative at zero times any other zero would be NaN."""
    f, which = STILL[case]

    def slopes(f):
        at = lambda x, c: f(x, c) if which is None else f(x, c)[which]  # noqa: E731
        before = lambda x, c: at(jnp.sqrt(x), c) + x  # noqa: E731
        after = lambda x, c: jnp.sqrt(at(x, c * 0)) + x  # noqa: E731
        of = [before, after]
        x, c = jnp.float32(0), jnp.float32(2)
        return (
            [jax.grad(g)(x, c) for g in of],
            [jax.jvp(lambda x, g=g: g(x, c), (x,), (x + 1,))[1] for g in of],
            [jax.vmap(jax.grad(g), (0, None))(jnp.zeros(3), c) for g in of],
            [jax.jvp(lambda x, g=g: jax.grad(g)(x, c), (x,), (x + 1,))[1] for g in of],
        )

    own = slopes(jaxbm.accelerate(f, require=True))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(own))
    close(own, slopes(f))
