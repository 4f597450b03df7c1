"""Which of LLVM's passes a program gets: costly ones where they pay for themselves."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxbm.kernels.program import compile, cost, machine
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
    ("lines", "long_loops", "options"),
    [
        (3, False, compile.ALL), (3, True, compile.FEW),
        (compile.LONG + 1, False, compile.QUICK), (compile.LONG + 1, True, compile.QUICK),
    ],
)  # fmt: skip
def test_long_programs_and_long_loops_get_few_passes(lines, long_loops, options):
    text = "define i32 @f(ptr %a) {\n" + LINE * lines + "  ret i32 0\n}\n"
    assert compile.options_for(text, long_loops=long_loops) is options
    assert compile.compile_text(text, ("f",), options=options).addresses["f"]


def test_passes_are_those_of_the_options():
    """A load of what was just stored, and a call: each is gone where the passes that do so ran."""
    text = """
define internal i32 @g(i32 %x) alwaysinline { ret i32 %x }
define i32 @f(ptr %a) {
  %y = call i32 @g(i32 3)
  store i32 %y, ptr %a
  %z = load i32, ptr %a
  ret i32 %z
}
"""
    left = {}
    for name in ("ALL", "FEW", "NONE"):
        module = machine.llvm().parse_assembly(text)
        compile.optimise(module, machine.target_machine(2), getattr(compile, name))
        left[name] = ("call i32" in str(module), "load i32" in str(module))
    assert left == {"ALL": (False, False), "FEW": (False, False), "NONE": (True, True)}
