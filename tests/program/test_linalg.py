"""Decompositions of small matrices against NumPy, SciPy and JAX."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax import lax

pytest.importorskip("llvmlite")

import llvmlite.binding as llvm
from llvm_jit import Compiled

from jaxbm.kernels.program import accelerate, linalg
from jaxbm.kernels.program.text import Module
from jaxbm.kernels.program.types import PTR, VOID

SIZES = (1, 2, 3, 5, 6, 7, 8, 9, 16, 17, 33)
DTYPES = (np.float32, np.float64)


class Functions:
    """Functions of a module by name, compiled when the first is called."""

    def __init__(self):
        self.module, self.compiled = Module(), None

    def add(self, name, count):
        if self.module.has(f"run.{name}"):
            return name
        f = self.module.function(f"run.{name}", [(f"a{q}", PTR) for q in range(count)])
        f.call(name, VOID, f.params)
        f.ret()
        return name

    def __call__(self, name, *arrays):
        if self.compiled is None:
            linalg.lapack.provide(llvm)
            self.compiled = Compiled(self.module.text())
        self.compiled(f"run.{name}", *arrays)


def matrix(rng, m, n, dtype):
    return np.ascontiguousarray(rng.normal(size=(m, n)).astype(dtype))


def close(a, b, dtype, factor=50.0):
    np.testing.assert_allclose(a, b, rtol=0, atol=factor * np.finfo(dtype).eps * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cholesky(dtype):
    functions, rng = Functions(), np.random.default_rng(0)
    names = {n: functions.add(linalg.cholesky(functions.module, np.dtype(dtype).name, n), 2) for n in SIZES}
    for n, name in names.items():
        x = matrix(rng, n, n + 2, np.float64)
        a = (x @ x.T + np.eye(n)).astype(dtype)
        upper_ignored = np.tril(a) + np.triu(np.full_like(a, math.nan), 1)
        out = np.full_like(a, 7)
        functions(name, upper_ignored, out)
        close(out, np.linalg.cholesky(a.astype(float)), dtype)
        assert not np.triu(out, 1).any()
        for spoilt in (-1.0, 0.0, math.nan):
            b = a.copy()
            b[n // 2, n // 2] = spoilt
            functions(name, b, out)
            wanted = np.tril(np.arange(n) >= n // 2) if math.isnan(spoilt) else np.full((n, n), True)
            np.testing.assert_array_equal(np.isnan(out), wanted, err_msg=f"{n}, {spoilt}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("left_side", "m"), [(True, 1), (True, 3), (True, 20), (False, 1), (False, 5)])
def test_triangular_solve(dtype, left_side, m):
    functions, rng = Functions(), np.random.default_rng(1)
    flags = list(itertools.product((False, True), repeat=3))
    names = {}
    for n, (lower, transpose, unit) in itertools.product(SIZES, flags):
        name = linalg.triangular_solve(
            functions.module, np.dtype(dtype).name, n, m,
            left_side=left_side, lower=lower, transpose_a=transpose, unit_diagonal=unit,
        )  # fmt: skip
        names[n, lower, transpose, unit] = functions.add(name, 3)
    for (n, lower, transpose, unit), name in names.items():
        a = (rng.normal(size=(n, n)) / n + 2 * np.eye(n)).astype(dtype)  # the other triangle is filled, and not read
        b = matrix(rng, *((n, m) if left_side else (m, n)), dtype)
        out = np.full_like(b, math.nan)
        functions(name, a, b, out)
        op = np.tril(a) if lower else np.triu(a)
        op = (op - np.diag(np.diag(op)) + np.eye(n) if unit else op).astype(float)
        op = op.T if transpose else op
        close(op @ out if left_side else out @ op, b, dtype, 20)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lu(dtype):
    functions, rng = Functions(), np.random.default_rng(2)
    shapes = [(n, n) for n in SIZES] + [(5, 3), (3, 5), (12, 20), (20, 12)]
    names = {s: functions.add(linalg.lu(functions.module, np.dtype(dtype).name, *s), 4) for s in shapes}
    for (m, n), name in names.items():
        cases = [matrix(rng, m, n, dtype), np.zeros((m, n), dtype), np.ones((m, n), dtype)]
        for a in cases:
            out, pivots = np.empty_like(a), np.full(min(m, n), -1, np.int32)
            permutation = np.full(m, -1, np.int32)
            functions(name, a, out, pivots, permutation)
            with jax.enable_x64(True):
                expected = lax.linalg.lu(jnp.asarray(a))
            np.testing.assert_array_equal(pivots, expected[1])
            np.testing.assert_array_equal(permutation, expected[2])
            close(out, np.asarray(expected[0]), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_qr(dtype):
    functions, rng = Functions(), np.random.default_rng(3)
    shapes = [(n, n) for n in SIZES] + [(5, 3), (3, 5), (12, 20), (20, 12)]
    module, d = functions.module, np.dtype(dtype).name
    names = {s: functions.add(linalg.geqrf(module, d, *s), 3) for s in shapes}
    products = {
        (m, n): functions.add(linalg.householder_product(module, d, m, min(m, n), min(m, n)), 3) for m, n in shapes
    }
    for (m, n), name in names.items():
        k = min(m, n)
        wide = np.finfo(dtype).max ** 0.75
        cases = [matrix(rng, m, n, dtype), np.zeros((m, n), dtype), np.eye(m, n, dtype=dtype)]
        cases += [(matrix(rng, m, n, dtype) * dtype(s)).astype(dtype) for s in (wide, 1 / wide)]
        for a in cases:
            out, taus = np.empty_like(a), np.empty(k, dtype)
            functions(name, a, out, taus)
            (r, t), _ = scipy.linalg.qr(a, mode="raw")  # LAPACK's, which JAX calls too
            scale = dtype(max(np.abs(a).max(), np.finfo(dtype).tiny))
            close(np.triu(out) / scale, np.triu(r) / scale, dtype)
            close(taus, t, dtype, 200)
            q = np.empty((m, k), dtype)
            functions(products[m, n], np.ascontiguousarray(out[:, :k]), taus, q)
            close(q.T @ q, np.eye(k), dtype)
            close(q.astype(float) @ (np.triu(out[:k]) / scale), a / scale, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_qr_of_the_largest_numbers_is_that_of_small_ones(dtype):
    """Reciprocals of numbers beyond a quarter of the largest are subnormal, which XLA's threads take for zero."""
    a = np.random.default_rng(5).normal(size=(5, 4)).astype(dtype)
    a /= np.linalg.norm(a) * dtype(1.01)
    with jax.enable_x64(True):
        qr = accelerate(jnp.linalg.qr, require=True)
        q, r = qr(a)
        for below in (0, 1, 2, 4, 100):
            scale = dtype(2.0 ** (np.finfo(dtype).maxexp - 1 - below))
            large_q, large_r = qr(a * scale)
            close(np.asarray(large_q), np.asarray(q), dtype)
            close(np.asarray(large_r) / scale, np.asarray(r), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lower", [False, True])
def test_eigh_is_that_of_jax(dtype, lower):
    functions, rng = Functions(), np.random.default_rng(4)
    names = {n: functions.add(linalg.eigh(functions.module, np.dtype(dtype).name, n, lower=lower), 3) for n in SIZES}
    for n, name in names.items():
        a = matrix(rng, n, n, dtype)
        vectors, values = np.empty_like(a), np.empty(n, dtype)
        functions(name, a, vectors, values)
        with jax.enable_x64(True):
            v, w = lax.linalg.eigh(jnp.asarray(a), lower=lower, symmetrize_input=False)
        close(values, np.asarray(w), dtype, 20)
        close(vectors, np.asarray(v), dtype, 2000)
        symmetric = np.tril(a) + np.tril(a, -1).T if lower else np.triu(a) + np.triu(a, 1).T
        close(vectors @ np.diag(values) @ vectors.T, symmetric, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("full", "vectors"), [(True, True), (False, True), (False, False)])
def test_svd_is_that_of_jax(dtype, full, vectors):
    functions, rng = Functions(), np.random.default_rng(5)
    shapes = [(1, 1), (2, 2), (3, 3), (5, 3), (3, 5), (12, 20), (20, 7)]
    module, d = functions.module, np.dtype(dtype).name
    names = {
        s: functions.add(linalg.svd(module, d, *s, full_matrices=full, compute_uv=vectors), 4 if vectors else 2)
        for s in shapes
    }
    for (m, n), name in names.items():
        a, k = matrix(rng, m, n, dtype), min(m, n)
        out = [np.empty(k, dtype)]
        if vectors:
            out += [np.empty((m, m if full else k), dtype), np.empty((n if full else k, n), dtype)]
        functions(name, a, *out)
        with jax.enable_x64(True):
            expected = lax.linalg.svd(jnp.asarray(a), full_matrices=full, compute_uv=vectors)
        expected = [expected[1], expected[0], expected[2]] if vectors else [expected]
        for x, y in zip(out, expected, strict=True):
            close(x, np.asarray(y), dtype, 500)
        np.testing.assert_allclose(out[0], scipy.linalg.svdvals(a), rtol=1e-4)


def test_a_matrix_with_nan_gives_nan():
    functions = Functions()
    name = functions.add(linalg.eigh(functions.module, "float64", 4), 3)
    other = functions.add(linalg.svd(functions.module, "float64", 4, 3, full_matrices=False, compute_uv=True), 4)
    a = np.full((4, 4), math.nan)
    vectors, values = np.zeros((4, 4)), np.zeros(4)
    functions(name, a, vectors, values)
    assert np.isnan(values).all()
    s, u, vt = np.zeros(3), np.zeros((4, 3)), np.zeros((3, 3))
    functions(other, np.ascontiguousarray(a[:, :3]), s, u, vt)
    assert np.isnan(s).all()


@pytest.mark.parametrize("n", [3, 8])
@pytest.mark.parametrize("place", [(0, 0), (1, 0), (-1, 1), (-1, -1)])
def test_where_nan_and_infinities_get_to(n, place):
    """As in LAPACK, what doesn't depend on them is what it is without."""
    a = np.random.default_rng(n).normal(size=(n, n))
    for value in (math.nan, math.inf):
        spd, full = a @ a.T + np.eye(n), a.copy()
        spd[place], spd[place[::-1]], full[place] = value, value, value
        decompositions = {"cholesky": jnp.linalg.cholesky} | ({"qr": jnp.linalg.qr} if math.isnan(value) else {})
        for name, f in decompositions.items():
            with jax.enable_x64(True):
                got, want = (
                    jax.tree.leaves(g(f)(spd if name == "cholesky" else full)) for g in (accelerate, jax.jit)
                )
            for x, y in zip(got, want, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12, err_msg=name)


def test_what_is_not_positive_definite_has_no_factor():
    for n in (3, 8):
        a = np.eye(n)
        a[1, 1] = -1.0
        assert np.isnan(np.asarray(accelerate(jnp.linalg.cholesky)(a))[np.tril_indices(n)]).all()
