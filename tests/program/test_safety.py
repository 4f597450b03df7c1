"""With checks, a program that leaves an array's bounds is an error of the call and touches nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxbm.kernels.program import accelerate, emit, table
from jaxbm.kernels.program.call import Native
from jaxbm.kernels.program.compile import compile_text
from jaxbm.kernels.program.elements import converted
from jaxbm.kernels.program.emitter import Emitter
from jaxbm.kernels.program.lazy import View
from jaxbm.kernels.program.place import Buffer
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import I32, PTR


def reader(n):
    """A program that reads element i of n float32 without looking whether there is one."""
    f = Module().function(emit.ENTRY, [("arguments", PTR), ("results", PTR), ("arena", PTR)], I32)
    arguments, results, arena = f.params
    e = Emitter(f, arena, checked=True)
    places = [(f.load(arguments, PTR, 0), (n,), "float32"), (f.load(arguments, PTR, 1), (), "int32")]
    source, index = (View(s, d, Buffer(lambda p=p: p, 4 * int(np.prod(s)))) for p, s, d in places)
    to = f.load(results, PTR, 0)
    out = View((), "float32", Buffer(lambda: to, 4))
    at = converted(f, e.load(index, 0), "int32", "int64")
    e.store(e.load(source, at), out, 0)
    f.ret(f.constant(I32, 0))
    f.start("out_of_bounds")
    f.ret(f.constant(I32, 1))
    text = f.module.text()
    signature = table.Signature((((n,), "float32"), ((), "int32")), (((), "float32"),))
    key = table.hash_of(text)
    table.register(key, compile_text(text, (emit.ENTRY,)), signature, arena_bytes=0)
    native = Native(key, signature, [False], None, "reader")
    return jax.jit(lambda x, i: native(x, i)[0])


def test_an_access_out_of_bounds_is_an_error():
    read, x = reader(5), jnp.arange(5.0)
    assert float(read(x, jnp.int32(4))) == 4.0
    for i in (5, -1, 2**31 - 1):
        with pytest.raises(Exception, match="left the bounds of an array"):
            jax.block_until_ready(read(x, jnp.int32(i)))


def test_members_report_errors_too():
    mapped = jax.jit(jax.vmap(reader(5), (None, 0)))
    x = jnp.arange(5.0)
    np.testing.assert_array_equal(mapped(x, jnp.arange(5)), x)
    with pytest.raises(Exception, match="left the bounds of an array"):
        jax.block_until_ready(mapped(x, jnp.arange(2, 8)))


def test_members_stand_apart_by_the_size_of_an_array_of_which_a_part_is_read():
    """Also where another program has the same text, of an array of another size."""
    first = jax.vmap(accelerate(lambda x, y: (x[0] + 1.0, y), require=True), (0, None), (0, None))
    for n in (20, 30):
        out, same = first(jnp.arange(3.0 * n).reshape(3, n), jnp.float32(2.0))
        assert out.tolist() == [1.0, n + 1.0, 2 * n + 1.0]
        assert float(same) == 2.0  # as of a jitted function, what doesn't vary between members isn't mapped


def test_a_known_place_out_of_bounds_fails_while_compiling():
    f = Module().function("f", [("p", PTR)], I32)
    e = Emitter(f, f.params[0])
    view = View((3,), "float32", Buffer(lambda: f.params[0], 12))
    with pytest.raises(AssertionError, match="element 3 of 3"):
        e.load(view, 3)
