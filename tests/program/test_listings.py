"""What small functions become, node by node: calls inlined, constants folded, loops freed of what does not change.

A listing that changes is to be read: it is what will be compiled.
"""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxbm.kernels.program.ir import listing
from jaxbm.kernels.program.traced import trace_jaxpr

V = jnp.zeros(20)


def hoisted(x, a):
    """What doesn't depend on the carry stands before the loop, and what is unused nowhere."""

    def step(c, _):
        unused = jnp.cos(c) * 9
        return c * jnp.exp(a) + 1.0, (c[0], unused)[0]

    return lax.scan(step, x, None, 5)[1]


def dropped(x):
    """A part of the carry that nothing needs is left out of the loop."""
    return lax.fori_loop(0, 3, lambda i, c: (c[0] + 1.0, jnp.sin(c[1])), (x, x))[0]


def chosen(x, k):
    """A branch that is known is inlined; another keeps its nodes; one that isn't native gives up."""
    y = lax.cond(True, lambda v: v * 2, jnp.sin, x)
    return lax.switch(k, [lambda v: v + 1, lambda v: jnp.fft.fft(v).real], y)


def shared(x):
    """The same operation is written once, in calls too, and constants are computed now."""
    f = jax.jit(lambda v: jnp.tanh(v) * (2.0 + 3.0))
    return f(x) + f(x)


GOLDEN = {
    hoisted: ((V, 1.0), """
in  %0: f32[20], %1: f32[]
%2: f32[] = exp %1
%3: f32[20] = broadcast axes=() %2
%4: f32[20], %5: f32[5] = scan length=5 reverse=False n_carry=1 %0
    in  %6: f32[20]
    %7: f32[20] = mul %6 %3
    %8: f32[20] = add %7 ...:f32[20]
    %9: f32[1] = slice start=(0,) limit=(1,) stride=(1,) %6
    %10: f32[] = reshape %9
    out %8, %10
out %5
"""),
    dropped: ((V,), """
in  %0: f32[20]
%1: f32[20] = scan length=3 reverse=False n_carry=1 %0
    in  %2: f32[20]
    %3: f32[20] = add %2 ...:f32[20]
    out %3
out %1
"""),
    chosen: ((V, 1), """
in  %0: f32[20], %1: i32[]
%2: f32[20] = mul %0 ...:f32[20]
%3: i32[] = max 0 %1
%4: i32[] = min %3 1
%5: f32[20] = switch %4
    in
    %6: f32[20] = add %2 ...:f32[20]
    out %6
    in
    %7: f32[20] = bail reason='convert_element_type: arrays of complex64' effects=False
    out %7
out %5
"""),
    shared: ((V,), """
in  %0: f32[20]
%1: f32[20] = tanh %0
%2: f32[20] = mul %1 ...:f32[20]
%3: f32[20] = add %2 %2
out %3
"""),
}  # fmt: skip


@pytest.mark.parametrize("f", GOLDEN, ids=lambda f: f.__name__)
def test_listing(f):
    arguments, text = GOLDEN[f]
    lines = listing(trace_jaxpr(jax.make_jaxpr(f)(*arguments)).block).splitlines()
    assert [line.rstrip() for line in lines] == text.strip().splitlines()
