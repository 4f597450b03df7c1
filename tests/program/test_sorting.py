"""Sorting of rows against lax.sort and lax.top_k, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

pytest.importorskip("llvmlite")

from llvm_jit import Compiled

from jaxbm.kernels.program import sorting
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import PTR, VOID

SIZES = [1, 2, 3, 7, 8, 9, 16, 17, 31, 64, 100, 129, 1000]
DTYPES = ["float32", "float16", "bfloat16", "int32", "uint8", "int16", "bool", "uint32"]


def compiled(names, module):
    """Entry points for internal functions of so many pointers."""
    for k, (name, count) in enumerate(names):
        f = module.function(f"run{k}", [(f"a{q}", PTR) for q in range(count)])
        f.call(name, VOID, f.params)
        f.ret()
    return Compiled(module.text())


def row(rng, dtype, n):
    """Many ties, and every special value."""
    dtype = jnp.dtype(dtype)
    if dtype == np.bool_:
        return rng.integers(0, 2, n).astype(np.bool_)
    if jnp.issubdtype(dtype, jnp.integer):
        info = jnp.iinfo(dtype)
        return rng.choice(np.array([info.min, info.max, 0, 1, 2, 3, 5], dtype), n)
    info = jnp.finfo(dtype)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, float(info.tiny), -float(info.tiny)], dtype)
    subnormal = np.array([1, 3], f"u{dtype.itemsize}").view(dtype)
    pool = np.concatenate([special, subnormal, -subnormal, rng.normal(size=8).astype(dtype)])
    return rng.choice(pool, n)


def bits(x):
    x = np.asarray(x)
    return x if x.dtype == np.bool_ else x.view(f"u{x.dtype.itemsize}")


def run(code, k, inputs, outputs, dtypes, n, keys):
    scratch = np.empty(sorting.scratch_bytes(dtypes, n, keys), np.uint8)
    code(f"run{k}", *inputs, *outputs, scratch)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_key_with_its_positions(dtype):
    module, rng = Module(), np.random.default_rng(0)
    code = compiled([(sorting.emit(module, [dtype, "int32"], n), 5) for n in SIZES], module)
    for k, n in enumerate(SIZES):
        x, i = row(rng, dtype, n), np.arange(n, dtype=np.int32)
        out, order = np.empty_like(x), np.empty_like(i)
        run(code, k, [x, i], [out, order], [dtype, "int32"], n, 1)
        expected = lax.sort((jnp.asarray(x), jnp.asarray(i)), num_keys=1, is_stable=True)
        np.testing.assert_array_equal(order, expected[1], err_msg=str(n))
        np.testing.assert_array_equal(bits(out), bits(expected[0]), err_msg=str(n))


@pytest.mark.parametrize("dtypes", [("float64", "int64"), ("int64", "float32"), ("uint64", "float64")])
def test_wide_keys_and_several_of_them(dtypes):
    with jax.enable_x64(True):
        operands = [*dtypes, "float32", "int8"]
        sizes = [1, 5, 12, 50, 300]
        module, rng = Module(), np.random.default_rng(1)
        names = [(sorting.emit(module, operands, n, keys), 9) for n in sizes for keys in (1, 2, 3)]
        code = compiled(names, module)
        for k, (n, keys) in enumerate((n, keys) for n in sizes for keys in (1, 2, 3)):
            x = [row(rng, d, n) for d in operands]
            out = [np.empty_like(v) for v in x]
            run(code, k, x, out, operands, n, keys)
            expected = lax.sort(tuple(jnp.asarray(v) for v in x), num_keys=keys, is_stable=True)
            for a, b in zip(out, expected, strict=True):
                np.testing.assert_array_equal(bits(a), bits(b), err_msg=f"{n} {keys}")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "int16", "uint32"])
def test_the_largest(dtype):
    module, rng = Module(), np.random.default_rng(2)
    cases = [(n, k) for n in (1, 4, 9, 40, 200) for k in {1, min(n, 3), n}] + [(203, 25)]
    code = compiled([(sorting.emit_top_k(module, dtype, n, k), 4) for n, k in cases], module)
    for index, (n, k) in enumerate(cases):
        x = row(rng, dtype, n)
        values, places = np.empty(k, x.dtype), np.empty(k, np.int32)
        run(code, index, [x], [values, places], [dtype], n, 1)
        expected = lax.top_k(jnp.asarray(x), k)
        np.testing.assert_array_equal(places, expected[1], err_msg=f"{n} {k}")
        np.testing.assert_array_equal(bits(values), bits(expected[0]))


@pytest.mark.parametrize("x", [np.arange(300), -np.arange(300), np.zeros(300), np.arange(300) % 7])
def test_the_largest_in_order(x):
    """Where every element is larger than those before, none is, and all are equal."""
    values, places = (np.asarray(v) for v in lax.top_k(jnp.asarray(x, jnp.float32), 9))
    module = Module()
    code = compiled([(sorting.emit_top_k(module, "float32", 300, 9), 4)], module)
    own, at = np.empty(9, np.float32), np.empty(9, np.int32)
    run(code, 0, [x.astype(np.float32)], [own, at], ["float32"], 300, 1)
    np.testing.assert_array_equal(own, values)
    np.testing.assert_array_equal(at, places)


def test_networks_sort_everything():
    """A network that sorts all sequences of zeros and ones sorts all sequences (Knuth, volume 3, section 5.3.4)."""
    for n in range(1, 9):
        network = sorting._network(n)
        for word in range(2**n):
            values = [word >> k & 1 for k in range(n)]
            for a, b in network:
                values[a], values[b] = min(values[a], values[b]), max(values[a], values[b])
            assert values == sorted(values)


def test_bad_arguments():
    with pytest.raises(ValueError, match="num_keys must be between one and the 2 operands, got 3"):
        sorting.emit(Module(), ["float32", "int32"], 8, 3)
    with pytest.raises(ValueError, match="k must be between one and the row's 4 elements, got 5"):
        sorting.emit_top_k(Module(), "float32", 4, 5)
