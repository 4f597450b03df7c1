"""LU decomposition with row exchanges (Golub and Van Loan, section 3.4)."""

from __future__ import annotations

from jaxbm.kernels.program.control import loop, when
from jaxbm.kernels.program.linalg.common import Padded, define, each, negated_multiply_add, padded
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I32, I64, from_dtype
from jaxbm.kernels.program.values import Index, Value


def lu(module: Module, dtype: str, m: int, n: int) -> str:
    """Define `void name(a, lu, pivots, permutation)` for a row-major m by n matrix.

    lu holds the unit lower and the upper factor; pivots[j] (int32) is the row that was exchanged with row j, the
    first of those with the largest absolute value; permutation (int32) says which row of a each row of the product
    is. A column of zeros is left as it is.
    """

    def write(f: Function) -> None:
        a, out, pivots, permutation = f.params
        type = from_dtype(dtype)
        x = padded(f, dtype, m, n)
        each(f, m, n, lambda i, j: x.set(i, j, f.load(a, type, f.iadd(f.imul(i, n), j))))
        loop(f, m, lambda i, _: f.store(f.index(i).cast("trunc", "i32"), permutation, i))
        loop(f, min(m, n), lambda j, _: _step(x, j, pivots, permutation))
        each(f, m, n, lambda i, j: f.store(x.get(i, j), out, f.iadd(f.imul(i, n), j)))

    return define(module, f"lu.{dtype}.{m}.{n}", 1, 3, write)


def _pivot(x: Padded, j: Index) -> Value:
    """The row of the largest element in column j, from row j on."""
    f = x.f

    def better(i: Index, best: list[Value]) -> list[Value]:
        size = x.get(i, j).unary("fabs")
        more = size.gt(best[0])
        return [f.select(more, size, best[0]), f.select(more, f.index(i), best[1])]

    start = [x.get(j, j).unary("fabs"), f.index(j)]
    return loop(f, x.rows, better, start, start=f.iadd(j, 1))[1]


def _exchange(x: Padded, i: Index, j: Index) -> None:
    f = x.f

    def swap(k: Index, _: list[Value]) -> None:
        a, b = x.vector(i, k), x.vector(j, k)
        f.store(b, x.base, x.at(i, k))
        f.store(a, x.base, x.at(j, k))

    x.across(0, swap, [])


def _step(x: Padded, j: Index, pivots: Value, permutation: Value) -> None:
    f = x.f
    p = _pivot(x, j)
    f.store(p.cast("trunc", "i32"), pivots, j)
    _exchange(x, j, p)
    here, there = f.load(permutation, I32, j), f.load(permutation, I32, p)
    f.store(there, permutation, j)
    f.store(here, permutation, p)
    pivot = x.get(j, j)
    when(f, pivot.ne(0.0), lambda: loop(f, x.rows, lambda i, _: _eliminate(x, j, i, pivot), start=f.iadd(j, 1)))


def _eliminate(x: Padded, j: Index, i: Index, pivot: Value) -> None:
    """Row i less a multiple of row j, right of column j; the multiple takes the place of the zero."""
    f = x.f
    factor = x.get(i, j) / pivot
    x.set(i, j, factor)
    spread = f.splat(factor, x.lanes)
    border = f.splat(f.index(j), x.lanes)

    def less(k: Index, _: list[Value]) -> None:
        # The first vector holds columns that stay.
        places = f.splat(f.index(k), x.lanes) + f.pack([f.constant(I64, q) for q in range(x.lanes)])
        row = x.vector(i, k)
        value = negated_multiply_add(f, spread, x.vector(j, k), row)
        f.store(f.select(places.gt(border), value, row), x.base, x.at(i, k))

    x.across(f.iadd(j, 1), less, [])
