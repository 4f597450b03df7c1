"""Under vmap a native function's results are mapped where those of the function are, and nowhere else."""

import jax
import jax.custom_batching
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

pytest.importorskip("llvmlite")

import jaxbm
from jaxbm.kernels.program.call import has_own_mapping
from jaxbm.kernels.program.dependence import depending

X, Y = jnp.arange(3.0) + 0.5, jnp.arange(4.0) + 1.5


@jax.custom_jvp
def ruled(x, y):
    return x + 1, y * 2


ruled.defjvp(lambda primals, tangents: (ruled(*primals), tangents))


@jax.custom_vjp
def pulled(x, y):
    return x + 1, y * 2


pulled.defvjp(lambda x, y: (pulled(x, y), None), lambda _, g: g)


def looped(x, y):
    """What is carried from `x` reaches the second array in the second pass."""
    return lax.fori_loop(0, 3, lambda i, c: (c[0] + x, c[1] + c[0], c[2] * y, c[3] + i), (x * 0, y, y, 1))


def scanned(x, y):
    step = lambda c, row: ((c[0] + row, c[1] + x, c[2] + c[1]), (row, c[1], c[2]))  # noqa: E731
    return lax.scan(step, (0.0, 0.0, y), jnp.ones(3))


def until(x, y):
    free = lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] + x, c[2] + y), (0.0, 0.0, 0.0))
    bound = lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + x, c[1] + y), (0.0, 0.0))
    return free, bound


def branches(x, y):
    of_y = lax.cond(y > 2, lambda: (x, y, y * 3), lambda: (y, y, y + 1))
    return of_y, lax.cond(x > 2, lambda: (x, y), lambda: (y, y)), lax.switch(2, [lambda: y, lambda: x, lambda: y * y])


def calls(x, y):
    again = jax.checkpoint(lambda x, y: (jnp.sin(x), jnp.sin(y)))
    inner = jaxbm.accelerate(lambda x, y: (looped(x, y), y + 1))
    return ruled(x, y), pulled(x, y), again(x, y), jax.jit(looped)(x, y), inner(x, y), 1.0


def solved(x, y):
    """Two systems: of one x is the right-hand side, of the other it is nothing."""
    solve = lambda b, symmetric: lax.custom_linear_solve(  # noqa: E731
        lambda v: (y + 2) * v, b, lambda _, b: b / (y + 2), lambda _, b: b / (y + 2), symmetric=symmetric
    )
    return solve(x, True), solve(y, False), solve((y, y)[0], True), x


def derivatives(x, y):
    f = lambda y, z: looped(x, y)[2] + z * x  # noqa: E731
    return jax.grad(f, (0, 1))(y, y), jax.jvp(f, (y, y), (1.0, 0.0))


def mapped(f, x, y):
    """Which of its results JAX takes for mapped, by what it lets be unmapped."""
    n = len(jax.tree.leaves(jax.eval_shape(f, x[0], y)))
    for k in range(n):
        axes = [None if j == k else 0 for j in range(n)]
        try:
            jax.eval_shape(jax.vmap(lambda x, y: jax.tree.leaves(f(x, y)), (0, None), axes), x, y)
        except ValueError:
            yield True
        else:
            yield False


@pytest.mark.parametrize("f", [looped, scanned, until, branches, calls, solved, derivatives])
def test_what_is_mapped(f):
    wanted = list(mapped(f, X, Y[0]))
    assert not all(wanted)
    assert depending(jax.make_jaxpr(f)(X[0], Y[0]), [True, False]) == wanted
    assert list(mapped(jaxbm.accelerate(f, require=True), X, Y[0])) == wanted
    axes = [0 if w else None for w in wanted]
    g, native = (lambda x, y, f=f: jax.tree.leaves(f(x, y)) for f in (f, jaxbm.accelerate(f, require=True)))
    got, want = (jax.jit(jax.vmap(h, (0, None), axes))(X, Y[0]) for h in (native, g))
    assert all(bool(jnp.allclose(a, b)) for a, b in zip(got, want, strict=True))


def test_tangents_of_what_is_not_mapped():
    def f(x, y):
        return looped(x, y)[2], x * y

    def tangents(f):
        return lambda x, y: jax.jvp(f, (x, y), (x, 1.0))[1]

    wanted = list(mapped(tangents(f), X, Y[0]))
    assert wanted == [False, True] == list(mapped(tangents(jaxbm.accelerate(f, require=True)), X, Y[0]))
    by_y = lambda f: lambda x, y: jax.grad(lambda y: f(x, y)[0])(y)  # noqa: E731
    assert list(mapped(by_y(f), X, Y[0])) == list(mapped(by_y(jaxbm.accelerate(f)), X, Y[0])) == [False]


@jax.custom_batching.custom_vmap
def counted(x, y):
    return x + y, y * 2


@counted.def_vmap
def _(size, in_batched, x, y):
    return (x + y + 100 * size, y * 2), (True, in_batched[1])


@pytest.mark.parametrize("inside", [lambda f: f, jax.jit, jaxbm.accelerate])
def test_a_function_with_a_rule_of_its_own_for_vmap(inside):
    f = lambda x, y: lax.scan(lambda c, row: (inside(counted)(c, row)[0] * 2, c), x, y)  # noqa: E731
    native, plain = jaxbm.accelerate(f, require=True), jax.jit(f)

    def uses(f):
        once, twice = jax.vmap(f, (0, None)), jax.vmap(jax.vmap(f, (0, None)), (None, 0))
        of_members = jax.vmap(lambda x: jax.jvp(lambda x: f(x, Y), (x,), (x,)))
        rows = jnp.stack([Y, Y + 1])
        return f(X[0], Y), once(X, Y), twice(X, rows), of_members(X), jax.jvp(once, (X, Y), (X, Y))

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), uses(native), uses(plain))


@pytest.mark.parametrize(
    "options", [{"patience": 2, "validation_split": 0.25}, {"privacy": jaxbm.DPSGD(1.0, 1.0, 1e-5)}]
)
def test_training_s_rules_only_save_work_so_that_members_stay_native_functions_of_their_own(options):
    x, y = np.ones((16, 3), np.float32), np.ones(16, np.float32)

    def trained(x):
        key, model = jax.random.key(0), jaxbm.MLP((3, 2, 1))
        return jaxbm.fit(key, model, x, y, loss="squared_error", epochs=3, implementation="xla", **options).params

    traced = jax.make_jaxpr(trained)(x)
    assert "custom_vmap_call" in str(traced)
    assert not has_own_mapping(traced)
    assert has_own_mapping(jax.make_jaxpr(jax.jit(counted))(1.0, 2.0))
