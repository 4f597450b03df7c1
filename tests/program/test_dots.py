"""Products of every layout against NumPy, on tiles for three kinds of processors, with ragged sizes."""

import itertools

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from llvm_jit import Compiled, assembly

from jaxbm.kernels.program import dots
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import PTR, VOID

AVX2, AVX512, NEON = dots.Target(32, 16), dots.Target(64, 32), dots.Target(16, 32)
SIZES = [(2, 3, 3, 3), (1, 5, 7, 9), (1, 32, 20, 17), (3, 16, 1, 33), (2, 1, 1, 100), (1, 1, 33, 40), (2, 31, 17, 65)]
GUARD = 64


def compile_all(specs, target):
    module = Module()
    for k, spec in enumerate(specs):
        name = dots.emit(module, spec, target)
        f = module.function(f"run{k}", [("l", PTR), ("r", PTR), ("o", PTR)])
        f.call(name, VOID, f.params)
        f.ret()
    return module.text()


def layouts(dtype, batch, m, n, k):
    """Both operands and the output with either of their axes contiguous."""
    spec = dots.contiguous(dtype, batch, m, n, k)
    lefts, rights, outs = (
        ((m * k, k, 1), (m * k, 1, m)),
        ((n * k, k, 1), (n * k, 1, n)),
        ((m * n, n, 1), (m * n, 1, m)),
    )
    return [spec._replace(left=a, right=b, out=c) for a, b, c in itertools.product(lefts, rights, outs)]


def array(rng, dtype, shape, strides):
    size = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if dtype.kind == "f":
        flat = rng.normal(size=size).astype(dtype)
    else:
        flat = rng.integers(0, 2 if dtype.kind == "b" else 100, size).astype(dtype)
    return flat, np.lib.stride_tricks.as_strided(flat, shape, [s * dtype.itemsize for s in strides])


def run(compiled, k, spec, rng):
    dtype = np.dtype(spec.dtype)
    left, l = array(rng, dtype, (spec.batch, spec.m, spec.k), spec.left)
    right, r = array(rng, dtype, (spec.batch, spec.n, spec.k), spec.right)
    out, o = array(rng, dtype, (spec.batch, spec.m, spec.n), spec.out)
    guarded = np.concatenate([out, np.ones(GUARD, dtype)])
    compiled(f"run{k}", left, right, guarded)
    assert np.array_equal(guarded[len(out) :], np.ones(GUARD, dtype)), "it wrote behind the output"
    out[:] = guarded[: len(out)]
    return l, r, o


@pytest.mark.parametrize("target", [AVX2, AVX512, NEON], ids=["avx2", "avx512", "neon"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_within_the_error_of_one_chain(target, dtype):
    specs = [s for size in SIZES for s in layouts(dtype, *size)]
    compiled, rng = Compiled(compile_all(specs, target)), np.random.default_rng(0)
    for k, spec in enumerate(specs):
        l, r, o = run(compiled, k, spec, rng)
        l, r = l.astype(np.longdouble), r.astype(np.longdouble)
        exact, size = np.einsum("bmk,bnk->bmn", l, r), np.einsum("bmk,bnk->bmn", abs(l), abs(r))
        # Higham, Accuracy and Stability, section 3.1: k roundings, each of half a unit.
        assert (abs(o - exact) <= (spec.k + 1) / 2 * np.finfo(dtype).eps * size).all(), spec


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "bool"])
def test_integers_wrap_around_and_booleans_are_or_of_and(dtype):
    specs = [s for size in SIZES[1:5] for s in layouts(dtype, *size)]
    compiled, rng = Compiled(compile_all(specs, AVX2)), np.random.default_rng(1)
    for k, spec in enumerate(specs):
        l, r, o = run(compiled, k, spec, rng)
        exact = np.einsum("bmk,bnk->bmn", l.astype(np.int64), r.astype(np.int64)).astype(dtype)
        assert np.array_equal(o, exact), spec


def test_large_products_are_packed_and_done_in_blocks():
    specs = [dots.contiguous("float32", 1, 70, 50, 700), dots.contiguous("float32", 1, 61, 129, 300)]
    specs.append(specs[1]._replace(right=(0, 1, 129)))
    for target in (AVX2, AVX512):
        plans = [dots.plan(s, target) for s in specs]
        assert all(p.pack for p in plans)
        assert any(p.depth < p.spec.k for p in plans)
        compiled, rng = Compiled(compile_all(specs, target)), np.random.default_rng(2)
        for k, spec in enumerate(specs):
            l, r, o = run(compiled, k, spec, rng)
            np.testing.assert_allclose(o, np.einsum("bmk,bnk->bmn", l.astype(float), r), rtol=0, atol=2e-4)


def test_operands_that_are_contiguous_nowhere_or_broadcast():
    c = dots.contiguous("float32", 2, 9, 10, 11)
    specs = [
        c._replace(left=(600, 44, 3), right=(900, 2, 31), out=(300, 30, 2)),
        c._replace(left=(0, 11, 1), right=(110, 11, 1)),
        c._replace(left=(0, 0, 1), right=(0, 0, 0)),
        dots.contiguous("float32", 1, 12, 1, 40)._replace(right=(0, 0, 5)),
    ]
    compiled, rng = Compiled(compile_all(specs, AVX2)), np.random.default_rng(3)
    for k, spec in enumerate(specs):
        l, r, o = run(compiled, k, spec, rng)
        np.testing.assert_allclose(o, np.einsum("bmk,bnk->bmn", l.astype(float), r), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", range(4))
def test_bits_of_an_element_depend_neither_on_rows_nor_on_columns(layout):
    """From two rows and columns on, every element is the same chain."""
    rng = np.random.default_rng(4)
    k = 37
    left, right = rng.normal(size=(40, k)).astype(np.float32), rng.normal(size=(50, k)).astype(np.float32)
    chain = np.zeros((40, 50), np.float32)
    for q in range(k):  # float64 holds a product exactly and rounds the sum far below float32
        chain = (left[:, None, q].astype(np.float64) * right[None, :, q] + chain).astype(np.float32)
    shapes = [(2, 2), (2, 50), (7, 9), (40, 3), (40, 50), (13, 31)]
    specs = [layouts("float32", 1, m, n, k)[2 * layout] for m, n in shapes]
    for target in (AVX2, AVX512):
        compiled = Compiled(compile_all(specs, target))
        for index, ((m, n), spec) in enumerate(zip(shapes, specs, strict=True)):
            l, r = left[:m], right[:n]
            l = np.ascontiguousarray(l if spec.left[2] == 1 else l.T)
            r = np.ascontiguousarray(r if spec.right[2] == 1 else r.T)
            out = np.empty((m, n), np.float32)
            compiled(f"run{index}", l, r, out)
            assert (out == chain[:m, :n]).mean() > 0.999, (m, n)  # double rounding differs once in many thousands


def test_registers_suffice():
    """No sum is spilled: the tile's loop neither stores nor loads on the stack."""
    spec = dots.contiguous("float32", 1, 32, 64, 64)._replace(right=(0, 1, 64))
    for target, cpu in ((AVX2, "haswell"), (AVX512, "skylake-avx512")):
        chosen = dots.plan(spec, target)
        assert chosen.rows * chosen.vectors + chosen.vectors < target.registers
        text = assembly(compile_all([spec], target), "x86_64-unknown-linux-gnu", cpu)
        wide = "zmm" if target is AVX512 else "ymm"
        lines = [line for line in text.splitlines() if wide in line]
        assert sum("vfmadd" in line for line in lines) >= chosen.rows * chosen.vectors
        assert not [line for line in lines if "(%rsp)" in line or "(%rbp)" in line], "a sum is spilled"


def test_code_for_aarch64():
    specs = [s for size in SIZES[:3] for dtype in ("float32", "float64") for s in layouts(dtype, *size)]
    text = assembly(compile_all(specs, NEON), "aarch64-unknown-linux-gnu", "neoverse-n1")
    assert "fmla\tv" in text
    assert "bl\tfma" not in text


def test_bad_lengths():
    with pytest.raises(ValueError, match="every length of a product must be at least one"):
        dots.emit(Module(), dots.contiguous("float32", 1, 0, 3, 4))
    with pytest.raises(KeyError):
        dots.emit(Module(), dots.contiguous("complex64", 1, 3, 3, 4))


@pytest.mark.parametrize("registers", [16, 32])
def test_sums_leave_registers_for_what_is_multiplied(registers):
    """LLVM's code generator spilled sums in each pass where they filled seven eighths of the registers."""
    from jaxbm.kernels.program.dots.plan import tile

    for m in (1, 5, 13, 14, 20, 64, 96, 128, 4096):
        for count in (1, 2, 3, 4, 6, 8, 15):
            rows, vectors, _ = tile(m, count, registers)
            assert rows * vectors <= 0.75 * registers
            assert rows * vectors + vectors < registers
