"""What can't be native in a branch makes the program give up: results and messages are then those of plain JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract import reference
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import mlir

import jaxbm

X = jnp.linspace(0.1, 1.0, 20)


def shouting(x, limit):
    """A loop that says something in a step that hardly ever comes."""

    def step(c, i):
        c = jnp.sin(c) * 1.1 + 0.1
        lax.cond(c[0] > limit, lambda: jax.debug.print("{} at {}", c[0], i), lambda: None)
        return c, c.sum()

    return lax.scan(step, x, jnp.arange(9))


def said(capfd, f, *args):
    capfd.readouterr()
    out = jax.block_until_ready(f(*args))
    jax.effects_barrier()
    return out, capfd.readouterr().out


def assert_close(got, wanted):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5), got, wanted)


def test_prints_in_a_branch(capfd):
    f, plain = jaxbm.accelerate(shouting, require=True), jax.jit(shouting)
    for limit in (9.0, 1.0):
        got, text = said(capfd, f, X, limit)
        wanted, wanted_text = said(capfd, plain, X, limit)
        assert_close(got, wanted)
        assert text == wanted_text
        assert bool(text) == (limit == 1.0)
    explanation = jaxbm.explain(shouting)(X, 9.0)
    assert "gives up, for XLA to run it, in a branch: debug" in str(explanation)
    assert "bail reason='debug" in explanation.parts[0].listing


def test_members_that_do_not_give_up_keep_their_bits():
    def f(x):
        return lax.cond(x.sum() > 100, lambda v: jnp.fft.fft(v).real, jnp.sin, x) + 1

    g = jaxbm.accelerate(f, require=True)
    rows = jnp.stack([X, X + 100, X * 2])
    got = jax.jit(jax.vmap(g))(rows)
    assert_close(got, jax.vmap(f)(rows))
    np.testing.assert_array_equal(got[2], g(rows[2]))
    twice = jax.vmap(jax.vmap(g))(jnp.stack([rows, rows * 0]))
    np.testing.assert_array_equal(twice[0, 0], got[0])


def test_a_callback_that_raises():
    def check(v):
        raise ValueError("the step size is too small")

    def f(x):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        bad = lax.cond(x[0] > 1, lambda v: jax.pure_callback(check, shape, v), lambda v: v, x)
        return jnp.cos(bad).sum()

    g = jaxbm.accelerate(f, require=True)
    np.testing.assert_allclose(g(X), f(X), 1e-6)
    with pytest.raises(Exception, match="the step size is too small"):
        jax.block_until_ready(g(X + 1))


def test_a_function_of_effects_alone(capfd):
    def f(x):
        lax.cond(x > 0, lambda: jax.debug.print("positive", ordered=True), lambda: None)

    g = jaxbm.accelerate(f, require=True)
    assert said(capfd, g, 1.0) == (None, "positive\n")
    assert said(capfd, g, -1.0) == (None, "")
    always = jaxbm.accelerate(lambda x: jax.debug.print("now"))
    assert said(capfd, always, 1.0) == (None, "now\n")


def test_what_a_branch_prints_keeps_its_place(capfd):
    def f(x):
        jax.debug.print("first", ordered=True)
        lax.cond(x > 0, lambda: jax.debug.print("second", ordered=True), lambda: None)
        jax.debug.print("third", ordered=True)
        return x

    assert said(capfd, jaxbm.accelerate(f), 1.0)[1] == "first\nsecond\nthird\n"


def test_effects_in_loops_and_calls_are_never_dropped(capfd):
    inner = jaxbm.accelerate(lambda x: lax.cond(x > 2, lambda: jax.debug.print("big"), lambda: None))

    def f(n):
        # Nothing of the loop is a result.
        lax.fori_loop(0, n, lambda i, x: (inner(x), x + 1.0)[1], 0.0)
        return n + 1

    g = jaxbm.accelerate(f, require=True)
    assert said(capfd, g, 5)[1] == "big\nbig\n"
    assert said(capfd, g, 2)[1] == ""


def test_functions_that_differ_in_what_is_not_native_alone(capfd):
    def say(text):
        return lambda x: lax.cond(x > 0, lambda: jax.debug.print(text), lambda: None)

    both = jax.jit(lambda x: [jaxbm.accelerate(say(t), require=True)(x) for t in ("one", "two")])
    assert sorted(said(capfd, both, 1.0)[1].split()) == ["one", "two"]


def test_without_a_native_branch_it_is_not_native():
    def f(x):
        return lax.cond(x[0] > 0, lambda v: jnp.fft.fft(v).real, lambda v: jnp.fft.fft(v).imag, x)

    with pytest.raises(NotImplementedError, match="complex64"):
        jaxbm.accelerate(f, require=True)(X)
    assert_close(jaxbm.accelerate(f)(X), reference(f)(X))


def test_within_shard_map_it_is_left_to_xla():
    def f(x):
        return lax.cond(x.sum() > 100, lambda v: jnp.fft.fft(v).real, jnp.sin, x)

    mesh, spec = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,)), jax.P("i")
    mapped = lambda g: jax.shard_map(g, mesh=mesh, in_specs=spec, out_specs=spec)(X)  # noqa: E731
    assert_close(mapped(jaxbm.accelerate(f)), f(X))
    with pytest.raises(NotImplementedError, match="within shard_map nothing may give up"):
        mapped(jaxbm.accelerate(f, require=True))


def foreign(name, impl):
    """A primitive of another library, as such libraries define them."""
    primitive = Primitive(name)
    primitive.def_impl(impl)
    primitive.def_abstract_eval(lambda x, **_: jax.core.ShapedArray((), x.dtype))
    mlir.register_lowering(primitive, mlir.lower_fun(impl, multiple_results=False))
    return primitive


def most(x, *, above):
    return jnp.maximum(x, above).max()


def concrete(x):
    return jnp.float32(float(x.sum()))


def test_primitives_of_other_libraries_by_their_definition():
    p, q = foreign("their_most", most), foreign("their_sum", concrete)
    f = lambda x: p.bind(jnp.sin(x), above=0.5) * 2  # noqa: E731
    np.testing.assert_allclose(jaxbm.accelerate(f, require=True)(X), f(X), 1e-6)
    with pytest.raises(NotImplementedError, match="their_sum: its definition can't be traced"):
        jaxbm.accelerate(lambda x: q.bind(x) + 1, require=True)(X)
