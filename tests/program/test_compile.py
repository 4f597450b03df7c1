"""Which of LLVM's passes a program gets: costly ones where they pay for themselves."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxbm.kernels.program import compile, cost
from jaxbm.kernels.program.traced import trace_jaxpr

LINE = "  store float 0.0, ptr %a\n"


def network(w, x):
    return lax.fori_loop(0, 50, lambda i, w: w - 0.1 * jax.grad(lambda w: jnp.tanh(x @ w).sum())(w), w)


def attractor(x, y):
    return lax.fori_loop(0, 50, lambda i, x: x + 0.01 * (y * x - jnp.sin(x)), x)


@pytest.mark.parametrize(
    ("function", "shapes", "is_long"),
    [(network, [(8, 16), (16, 8)], True), (network, [(2, 2), (3, 2)], False), (attractor, [(3,), (3,)], False)],
)
def test_work_is_in_long_loops_where_arrays_are_longer_than_vectors(function, shapes, is_long):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    assert cost.of_block(trace_jaxpr(jax.make_jaxpr(function)(*arguments)).block).is_long is is_long


@pytest.mark.parametrize(
    ("lines", "long_loops", "used"),
    [(3, False, "optimise"), (3, True, "tidy"), (compile.LONG + 1, False, "tidy"), (compile.LONG + 1, True, "tidy")],
)
def test_long_programs_and_long_loops_get_few_passes(monkeypatch, lines, long_loops, used):
    called = []
    for name in ("optimise", "tidy"):
        original = getattr(compile, name)
        monkeypatch.setattr(
            compile, name, lambda *a, name=name, original=original, **k: called.append(name) or original(*a, **k)
        )
    text = "define i32 @f(ptr %a) {\n" + LINE * lines + "  ret i32 0\n}\n"
    code = compile.compile_text(text, ("f",), long_loops=long_loops)
    assert called == [used]
    assert code.addresses["f"]
