"""The LLVM text that the builder writes: it compiles, runs, shares what it may and stays linear."""

import math
import struct
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from llvm_jit import Compiled

from jaxbm.kernels.program import control
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import BF16, F16, F32, F64, I8, I32, I64, PTR, from_dtype, literal, type_of


def unary(type, body, lanes=0):
    """A module with `run(in, out, n)`."""
    module = Module()
    f = module.function("run", [("p", PTR), ("q", PTR), ("n", I64)])
    p, q, n = f.params
    control.loop(f, n, lambda i, _: f.store(body(f.load(p, type.vector(lanes), i)), q, i), step=lanes or 1)
    f.ret()
    return Compiled(module.text())


def test_types_are_interned_and_named_as_intrinsics_do():
    assert type_of("float", 8) is F32.vector(8)
    assert F64.vector(4).suffix == "v4f64"
    assert F32.integer is I32
    assert from_dtype(np.dtype("uint8")) is I8
    with pytest.raises(KeyError):
        from_dtype("complex64")


@pytest.mark.parametrize("value", [0.1, -0.0, math.inf, -math.inf, math.nan, 1e-45, 3.4e38, 1 / 3, 65504.0, 6e-8])
def test_constants_are_exact(value):
    for type, dtype in [(F16, np.float16), (F32, np.float32), (F64, np.float64)]:
        module = Module()
        f = module.function("run", [("q", PTR)])
        f.store(f.constant(type, value), f.params[0])
        f.ret()
        out = np.ones(1, dtype)
        Compiled(module.text())("run", out)
        with np.errstate(over="ignore"):
            assert out.tobytes() == np.asarray([value]).astype(dtype).tobytes() or (
                math.isnan(value) and np.isnan(out[0])
            )


def test_bfloat16_constants_round_to_nearest_even():
    import ml_dtypes

    for value in [0.1, 1 / 3, -7.7e5, 3.39e38, math.inf, 1.00390625, 1.01171875]:
        bits = int(np.asarray(value, ml_dtypes.bfloat16).view(np.uint16))
        assert literal(BF16, value) == f"0xR{bits:04X}"


def test_integer_constants_wrap_around():
    assert literal(I8, 200) == "-56"
    assert literal(I32, 2**32 - 1) == "-1"
    assert literal(I64, -(2**63)) == str(-(2**63))


@pytest.mark.parametrize("lanes", [0, 4, 8])
def test_arithmetic_on_scalars_and_vectors(lanes):
    x = np.linspace(-3, 3, 16).astype(np.float32)
    y = np.zeros_like(x)
    unary(F32, lambda v: v.lt(0.0).select(1.0 - v, v * v / 2.0), lanes)("run", x, y, 16)
    np.testing.assert_array_equal(y, np.where(x < 0, 1 - x, x * x / np.float32(2)))


def test_booleans_are_bytes_in_memory():
    module = Module()
    f = module.function("run", [("p", PTR), ("q", PTR)])
    p, q = f.params
    f.store(~f.load(p, type_of("i1", 4), 1), q, 1)
    f.store(f.load(p, type_of("i1")), q)
    f.ret()
    x, y = np.array([1, 1, 0, 0, 1], np.bool_), np.zeros(5, np.bool_)
    Compiled(module.text())("run", x, y)
    assert y.tolist() == [True, False, True, True, False]


def test_the_same_instruction_is_written_once_where_it_dominates():
    module = Module()
    f = module.function("run", [("p", PTR), ("n", I64)])
    p, n = f.params
    x = f.load(p, F32)
    assert (x + 1.0) is (x + 1.0)
    inner = []
    control.when(f, n.gt(3), lambda: inner.append(x * 2.0))
    assert (x * 2.0) is not inner[0], "a value from a branch that may not run was taken for known"
    assert f.imul(f.iadd(2, 3), 4) == 20, "what is known must be computed now"


def test_loops_carry_values_and_run_as_often_as_they_should():
    module = Module()
    f = module.function("run", [("q", PTR), ("n", I64)])
    q, n = f.params
    zero = f.constant(I64, 0)
    counts = [
        control.loop(f, n, lambda i, c: [c[0] + 1], [zero])[0],
        control.loop(f, 0, lambda i, c: [c[0] + 1], [zero])[0],
        control.loop(f, 7, lambda i, c: [c[0] + f.index(i)], [zero], start=1, step=3)[0],
        control.loop(f, 3, lambda i, c: [c[0] + 1], [zero], start=2)[0],
        control.while_loop(f, lambda c: c[0].lt(10), lambda c: [c[0] + 4], [zero])[0],
    ]
    for k, v in enumerate(counts):
        f.store(v, q, k)
    f.ret()
    compiled = Compiled(module.text())
    out = np.zeros(5, np.int64)
    compiled("run", out, 5)
    assert out.tolist() == [5, 0, 5, 1, 12]
    compiled("run", out, 0)
    assert out[0] == 0


def test_branches_merge_their_values():
    module = Module()
    f = module.function("run", [("q", PTR), ("n", I64)])
    q, n = f.params
    one = f.constant(I64, 1)
    f.store(control.choose(f, n.lt(2), lambda: [n + one], lambda: [n * n])[0], q)
    f.store(control.switch(f, n, [lambda: [one], lambda: [one + one], lambda: [one * 9]])[0], q, 1)
    f.ret()
    compiled = Compiled(module.text())
    for n, expected in [(0, [1, 1]), (1, [2, 2]), (2, [4, 9]), (77, [5929, 9])]:
        out = np.zeros(2, np.int64)
        compiled("run", out, n)
        assert out.tolist() == expected


def test_data_functions_and_structs_of_a_module():
    module = Module()
    data = module.constant_bytes(struct.pack("<4f", 1, 2, 3, 4.5))
    assert module.constant_bytes(struct.pack("<4f", 1, 2, 3, 4.5)).text == data.text

    def pair():
        g = module.function("pair", [("x", F32)], "{float, float}", internal=True)
        g.ret(g.struct([g.params[0] + 1.0, g.params[0] - 1.0]))

    calls = []
    for _ in range(2):
        module.once("pair", lambda: (calls.append(1), pair()))
    assert calls == [1]
    f = module.function("run", [("q", PTR)])
    both = f.call("pair", "{float, float}", [f.load(data, F32, 3)])
    f.store(f.extract(both, 0, F32), f.params[0])
    f.store(f.extract(both, 1, F32), f.params[0], 1)
    f.ret()
    out = np.zeros(2, np.float32)
    Compiled(module.text())("run", out)
    assert out.tolist() == [5.5, 3.5]


def test_vector_operations():
    module = Module()
    f = module.function("run", [("p", PTR), ("q", PTR)])
    p, q = f.params
    v = f.load(p, F32.vector(4))
    parts = f.unpack(v)
    f.store(f.pack(parts[::-1]), q)
    f.store(f.shuffle(v, f.splat(parts[0], 4), [3, 2, 4, 4]), q, 4)
    f.ret()
    x, y = np.arange(1, 5, dtype=np.float32), np.zeros(8, np.float32)
    Compiled(module.text())("run", x, y)
    assert y.tolist() == [4, 3, 2, 1, 4, 3, 1, 1]


def test_errors_name_the_types():
    module = Module()
    f = module.function("run", [("a", F32), ("b", F64)])
    with pytest.raises(TypeError, match="float %a and double %b"):
        f.binary("fadd", *f.params)
    with pytest.raises(ValueError, match="run is defined already"):
        module.function("run", [])


def test_length_of_the_text_is_linear_and_the_time_nearly_so():
    def write(n):
        module = Module()
        f = module.function("run", [("p", PTR)])
        x = f.load(f.params[0], F64)
        for _ in range(n):
            x = x * 1.5 + 2.0
        f.store(x, f.params[0])
        f.ret()
        start = time.process_time()
        return len(module.text().splitlines()), time.process_time() - start

    short, _ = write(1_000)
    long, _ = write(20_000)
    assert 19.5 < long / short < 20.5
