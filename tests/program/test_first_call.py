"""What a first call does once, and what it doesn't do at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.children import python

pytest.importorskip("llvmlite")

import jaxbm
from jaxbm.kernels import native_loop
from jaxbm.kernels.program import jaxprs, traced
from jaxbm.run import loop


def test_the_classes_are_jax_s():
    from jax.extend import core

    assert jaxprs.ClosedJaxpr is core.ClosedJaxpr
    assert (jaxprs.Literal, jaxprs.Primitive) == (core.Literal, core.Primitive)
    closed = jax.make_jaxpr(lambda x: (x + 1, 2 * x))(3.0)
    assert list(map(float, jaxprs.jaxpr_as_fun(closed)(3.0))) == [4.0, 6.0]


def test_a_class_of_another_name_is_found_where_it_is_public():
    from jax.extend import core

    assert jaxprs._class(object(), "Literal") is core.Literal


def test_jax_s_extensions_are_not_loaded():
    code = (
        "import sys, jax, jaxbm; jaxbm.accelerate(lambda x: 2 * x, require=True)(1.0); "
        "assert 'jax.extend' not in sys.modules"
    )
    python("-c", code)


def test_a_run_is_traced_once_by_jax_and_once_for_its_program(monkeypatch):
    """Who judges it leaves the program to who compiles it."""
    loops, programs = [], []
    run, tracer = loop.run, traced.Tracer
    monkeypatch.setattr(loop, "run", lambda *a: loops.append(1) or run(*a))
    monkeypatch.setattr(traced, "Tracer", lambda: programs.append(1) or tracer())
    x = np.linspace(0, 1, 33, dtype=np.float32)[:, None]
    model = jaxbm.MLP((1, 3, 1), activation="sin")
    jaxbm.fit(jax.random.key(0), model, x, x[:, 0], loss="squared_error", epochs=2, implementation="program")
    assert (loops, programs) == ([1], [1])


def test_a_kept_program_is_taken_once_and_for_the_same_call_only():
    function = jax.jit(lambda a, b: (a - b, a))
    one, same, turned, twice = (
        jax.make_jaxpr(f)(1.0, 2.0)
        for f in (
            function, lambda a, b: function(a, b), lambda a, b: function(b, a), lambda a, b: function(a, b)[::-1],
        )
    )  # fmt: skip
    program = traced.trace_jaxpr(one)
    traced.keep_for_build(one, program)
    for other in (turned, twice):
        assert traced.trace_jaxpr(other) is not program
    assert traced.trace_jaxpr(same) is program
    assert traced.trace_jaxpr(same) is not program
    traced.keep_for_build(jax.make_jaxpr(lambda a: a + 1)(1.0), program)
    assert not traced._kept


def test_arguments_that_are_numbers_are_no_places():
    function = jax.jit(lambda a, b: a - b)
    traced.keep_for_build(jax.make_jaxpr(lambda a: function(a, jnp.float32(2)))(1.0), None)
    assert not traced._kept


@pytest.mark.parametrize("params", [None, "own"])
def test_a_judged_run_starts_with_the_model_s_shapes(params):
    """Judged by shapes alone, of a model that gives them or of parameters that came."""
    model = jaxbm.MLP((2, 3, 1))
    x = np.ones((9, 2), np.float32)
    given = None if params is None else model.init(jax.random.key(1))
    told = jaxbm.kernels.explain(model, x, x[:, 0], loss="log_cosh", params=given)
    assert told.implementation == "program"
    assert native_loop.off() is None


def test_an_optimizer_of_optax_starts_from_numbers_drawn_on_the_host(monkeypatch):
    """Bit for bit those that the model draws, which nothing compiles."""
    optax = pytest.importorskip("optax")
    model, key = jaxbm.MLP((2, 3, 1)), jax.random.key(3)
    x = np.linspace(0, 1, 20, dtype=np.float32).reshape(10, 2)
    options = {"loss": "squared_error", "optimizer": optax.lion(1e-2), "epochs": 2, "implementation": "program"}
    given = jaxbm.fit(key, model, x, x[:, 0], params=model.init(key), **options)
    monkeypatch.setattr(jaxbm.MLP, "init", None)
    drawn = jaxbm.fit(key, model, x, x[:, 0], **options)
    jax.tree.map(np.testing.assert_array_equal, drawn.params, given.params)
