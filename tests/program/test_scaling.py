"""Powers of two by AVX-512's instruction: the bits are those of the products that other processors take."""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")
from llvm_jit import Compiled, assembly

from jaxbm.kernels.program import control, machine, maths
from jaxbm.kernels.program.maths.scaling import scale_by_power
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import F32, F64, I64, PTR

TYPES = {np.float32: F32, np.float64: F64}
NAMES = ("exp", "exp2", "logistic", "sinh", "cosh", "erfc")


def text_of(type, lanes, *, scales):
    """A function for each name, and the scaling alone: from p and r to q."""
    module = Module(scales=scales)
    for name in ("scale", *NAMES):
        f = module.function(name, [("p", PTR), ("r", PTR), ("q", PTR), ("n", I64)])
        p, r, q, n = f.params

        def body(i, _, f=f, p=p, r=r, q=q, name=name):
            x = f.load(p, type.vector(lanes), i)
            out = scale_by_power(x, f.load(r, type.vector(lanes), i)) if name == "scale" else maths.call(f, name, x)
            f.store(out, q, i)

        control.loop(f, n, body, step=lanes or 1)
        f.ret()
    return module.text()


@pytest.mark.skipif(not machine.scales(), reason="no AVX-512")
@pytest.mark.parametrize("lanes", [0, 3, 4, 8, 16, 24])
@pytest.mark.parametrize("dtype", TYPES)
def test_the_instruction_gives_the_bits_of_the_products(dtype, lanes):
    rng, n, bits = np.random.default_rng(lanes), 48 * 100, 8 * dtype().itemsize
    powers = rng.integers(-160, 140, n) if bits == 32 else rng.integers(-1090, 1040, n)
    near_one = rng.uniform(0.5, 2, n).astype(dtype) * rng.choice([-1, 1], n).astype(dtype)
    near_one[:3] = math.inf, math.nan, 0
    any_bits = rng.integers(0, 2**bits, n, dtype=f"u{bits // 8}").view(dtype)
    x = np.where(rng.random(n) < 0.5, any_bits, rng.normal(size=n) * 60).astype(dtype)
    one, other = (Compiled(text_of(TYPES[dtype], lanes, scales=s)) for s in (True, False))
    for name in ("scale", *NAMES):
        results = []
        for code in (one, other):
            out = np.empty_like(x)
            code(name, near_one if name == "scale" else x, powers.astype(dtype), out, n)
            results.append(out)
        np.testing.assert_array_equal(*results, err_msg=name)


def test_it_is_one_instruction_for_vectors_that_have_it():
    for lanes, register in ((0, "xmm"), (4, "xmm"), (8, "ymm"), (5, "ymm"), (16, "zmm")):
        code = assembly(text_of(F32, lanes, scales=True), "x86_64-unknown-linux-gnu", "skylake-avx512")
        assert any("vscalef" in line and register in line for line in code.splitlines()), lanes
    assert "vscalef" not in assembly(text_of(F32, 8, scales=False), "x86_64-unknown-linux-gnu", "skylake-avx512")
