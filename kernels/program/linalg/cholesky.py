"""The Cholesky factor of a symmetric positive definite matrix (Golub and Van Loan, section 4.2)."""

from __future__ import annotations

import math

from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.linalg.common import Padded, define, each, negated_multiply_add, padded
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I1, from_dtype
from jaxbm.kernels.program.values import Index, Value

UNROLLED = 6
"""Matrices to this size are factored in registers."""


def cholesky(module: Module, dtype: str, n: int) -> str:
    """Define `void name(a, out)`: out is the lower factor of the row-major n by n matrix a, zero above the diagonal.

    Only the lower triangle of a is read. Where a isn't positive definite, every element of out is NaN; where
    it holds NaN or infinities, what depends on these is.
    """

    def write(f: Function) -> None:
        if n <= UNROLLED:
            _in_registers(f, dtype, n)
        else:
            _by_rows(f, dtype, n)

    return define(module, f"cholesky.{dtype}.{n}", 1, 1, write)


def _in_registers(f: Function, dtype: str, n: int) -> None:
    type, (a, out) = from_dtype(dtype), f.params
    l: dict[tuple[int, int], Value] = {}
    good = f.constant(I1, True)
    for j in range(n):
        for i in range(j, n):
            value = f.load(a, type, i * n + j)
            for k in range(j):
                value = negated_multiply_add(f, l[i, k], l[j, k], value)
            if i == j:
                good = good & _is_pivot(value)
                l[j, j] = value.unary("sqrt")
            else:
                l[i, j] = value / l[j, j]
    for i in range(n):
        for j in range(n):
            f.store(f.select(good, l.get((i, j), f.constant(type, 0)), f.constant(type, math.nan)), out, i * n + j)


def _is_pivot(value: Value) -> Value:
    """Positive, or NaN, which LAPACK lets pass: only what depends on it is NaN then."""
    return value.compare("ugt", 0.0)


def _by_rows(f: Function, dtype: str, n: int) -> None:
    """The transposed factor, whose rows are contiguous, row by row with an update of all that follow.

    A row is done from the vector that holds the diagonal, so what stands left of the diagonal is of no meaning.
    """
    type, (a, out) = from_dtype(dtype), f.params
    u = padded(f, dtype, n, n)
    each(f, n, lambda i: f.iadd(i, 1), lambda i, j: u.set(j, i, f.load(a, type, f.iadd(f.imul(i, n), j))))

    def step(j: Index, carry: list[Value]) -> list[Value]:
        pivot = u.get(j, j)
        root = pivot.unary("sqrt")
        factor = f.splat(root, u.lanes)

        def divide(k: Index, _: list[Value]) -> None:
            f.store(u.vector(j, k) / factor, u.base, u.at(j, k))

        u.across(j, divide, [])
        u.set(j, j, root)
        loop(f, n, lambda i, _: _update(u, j, i), start=f.iadd(j, 1))
        return [carry[0] & _is_pivot(pivot)]

    good = loop(f, n, step, [f.constant(I1, True)])[0]
    zero, bad = f.constant(type, 0), f.constant(type, math.nan)

    def store(i: Index, j: Index) -> None:
        inside = f.compare("sle", f.index(j), f.index(i))
        f.store(f.select(good, f.select(inside, u.get(j, i), zero), bad), out, f.iadd(f.imul(i, n), j))

    each(f, n, n, store)


def _update(u: Padded, j: Index, i: Index) -> None:
    factor = u.f.splat(u.get(j, i), u.lanes)

    def one(k: Index, _: list[Value]) -> None:
        value = negated_multiply_add(u.f, factor, u.vector(j, k), u.vector(i, k))
        u.f.store(value, u.base, u.at(i, k))

    u.across(i, one, [])
