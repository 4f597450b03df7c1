"""Systems with a triangular matrix, by substitution (Golub and Van Loan, section 3.1)."""

from __future__ import annotations

from typing import NamedTuple

from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.linalg.common import define, lanes_for, negated_multiply_add
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import Type, from_dtype
from jaxbm.kernels.program.values import Index, Value


class _System(NamedTuple):
    """op(a) x = b as loops see it: strides of op(a), whether the first row is solved first, and what divides."""

    f: Function
    type: Type
    n: int
    a: Value
    row: int
    column: int
    forward: bool
    unit: bool

    def place(self, q: Index) -> Index:
        """The q-th row to be solved."""
        return q if self.forward else self.f.iadd(self.f.imul(q, -1), self.n - 1)

    def coefficient(self, i: Index, k: Index) -> Value:
        """An element of op(a)."""
        return self.f.load(self.a, self.type, self.f.iadd(self.f.imul(i, self.row), self.f.imul(k, self.column)))

    def divide(self, i: Index, value: Value) -> Value:
        """value / op(a)[i, i]."""
        if self.unit:
            return value
        return value / self.f.splat(self.coefficient(i, i), value.type.lanes)


def triangular_solve(
    module: Module,
    dtype: str,
    n: int,
    m: int,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool = False,
    unit_diagonal: bool = False,
) -> str:
    """Define `void name(a, b, out)`: out solves op(a) out = b, or out op(a) = b on the right side.

    Args:
        n: rows and columns of a.
        m: columns of b on the left side, rows on the right; all matrices row-major.
        lower: which triangle of a is read.
        transpose_a: whether op(a) is the transpose.
    """
    flags = "".join([str(int(v)) for v in (left_side, lower, transpose_a, unit_diagonal)])

    def write(f: Function) -> None:
        a, b, out = f.params
        type = from_dtype(dtype)
        # On the right side every row of out solves the transposed system.
        transposed = transpose_a != (not left_side)
        strides = (1, n) if transposed else (n, 1)
        system = _System(f, type, n, a, *strides, lower != transposed, unit_diagonal)
        if left_side and m > 1:
            _columns(system, m, b, out)
            return

        def row(r: Index, _: list[Value]) -> None:
            at = f.imul(r, n)
            _vector(system, f.offset(b, type, at), f.offset(out, type, at))

        loop(f, 1 if left_side else m, row)

    return define(module, f"triangular_solve.{dtype}.{n}.{m}.{flags}", 2, 1, write)


def _columns(s: _System, m: int, b: Value, out: Value) -> None:
    """Several right-hand sides side by side: vectors of them, up to four at a time."""
    f = s.f
    lanes = lanes_for(s.type, m)
    while lanes > m:
        lanes //= 2
    vector = s.type.vector(lanes if lanes > 1 else 0)

    def block(j: Index, offsets: list[int]) -> None:
        def solve(q: Index, _: list[Value]) -> None:
            i = s.place(q)
            at = f.iadd(f.imul(i, m), j)

            def less(p: Index, sums: list[Value]) -> list[Value]:
                k = s.place(p)
                c = f.splat(s.coefficient(i, k), vector.lanes)
                known = f.iadd(f.imul(k, m), j)
                solved = [f.load(out, vector, f.iadd(known, o)) for o in offsets]
                return [negated_multiply_add(f, c, x, v) for x, v in zip(solved, sums, strict=True)]

            values = loop(f, q, less, [f.load(b, vector, f.iadd(at, o)) for o in offsets])
            for o, value in zip(offsets, values, strict=True):
                f.store(s.divide(i, value), out, f.iadd(at, o))

        loop(f, s.n, solve)

    width = 4 * lanes
    whole = m // width * width
    loop(f, whole, lambda j, _: block(j, [0, lanes, 2 * lanes, 3 * lanes]), step=width)
    if whole < m:
        # The last vector may overlap the one before it: the same columns are solved twice.
        start = whole if m - whole >= lanes else m - lanes
        block(start, [min(o, m - start - lanes) for o in range(0, m - start, lanes)])


def _vector(s: _System, b: Value, out: Value) -> None:
    """A single right-hand side, contiguous."""
    f = s.f
    lanes = lanes_for(s.type, s.n)
    if s.column == 1 and s.n >= 2 * lanes:
        _by_dot_products(s, lanes, b, out)
        return

    def solve(q: Index, _: list[Value]) -> None:
        i = s.place(q)

        def less(p: Index, sums: list[Value]) -> list[Value]:
            k = s.place(p)
            return [negated_multiply_add(f, s.coefficient(i, k), f.load(out, s.type, k), sums[0])]

        f.store(s.divide(i, loop(f, q, less, [f.load(b, s.type, i)])[0]), out, i)

    if s.row == 1 and s.n >= 2 * lanes:
        _by_updates(s, lanes, b, out)
    elif s.n <= 6:
        for q in range(s.n):
            solve(q, [])
    else:
        loop(f, s.n, solve)


def _by_dot_products(s: _System, lanes: int, b: Value, out: Value) -> None:
    """Rows of op(a) are contiguous: vectors of what is solved already, then one by one what is left of it."""
    f, vector = s.f, s.type.vector(lanes)

    def solve(q: Index, _: list[Value]) -> None:
        i = s.place(q)
        # Solved are the q rows before i, or behind it; whole vectors of them are taken from the far end.
        whole = f.index(q) & -lanes
        first: Index = 0 if s.forward else s.n

        def many(p: Index, sums: list[Value]) -> list[Value]:
            k = f.iadd(first, p) if s.forward else f.iadd(f.imul(p, -1), s.n - lanes)
            at = f.iadd(f.imul(i, s.row), k)
            return [negated_multiply_add(f, f.load(s.a, vector, at), f.load(out, vector, k), sums[0])]

        def single(p: Index, sums: list[Value]) -> list[Value]:
            k = s.place(p)
            return [negated_multiply_add(f, s.coefficient(i, k), f.load(out, s.type, k), sums[0])]

        total = loop(f, whole, many, [f.constant(vector, 0)], step=lanes)[0]
        value = f.load(b, s.type, i)
        for lane in f.unpack(total):
            value = value + lane
        f.store(s.divide(i, loop(f, q, single, [value], start=whole)[0]), out, i)

    loop(f, s.n, solve)


def _by_updates(s: _System, lanes: int, b: Value, out: Value) -> None:
    """Columns of op(a) are contiguous: every solved element is taken off all that follow, by vectors."""
    f, vector = s.f, s.type.vector(lanes)
    rounded = -(-s.n // lanes) * lanes
    # Padded on both sides, since the vectors that hold the next element also hold some that are solved.
    rest = f.alloca(s.type, rounded + lanes)
    loop(f, s.n, lambda i, _: f.store(f.load(b, s.type, i), rest, i))

    def solve(q: Index, _: list[Value]) -> None:
        i = s.place(q)
        x = s.divide(i, f.load(rest, s.type, i))
        f.store(x, out, i)
        factor = f.splat(x, lanes)

        def update(k: Index, width: int) -> None:
            type = vector if width > 1 else s.type
            column = f.load(s.a, type, f.iadd(f.imul(k, s.row), f.imul(i, s.column)))
            f.store(negated_multiply_add(f, factor if width > 1 else x, column, f.load(rest, type, k)), rest, k)

        # Rows that follow: i + 1 to n, or 0 to i.
        low, high = (f.iadd(i, 1), s.n) if s.forward else (0, i)
        count = f.iadd(high, f.imul(low, -1))
        whole = f.index(count) & -lanes
        middle = f.iadd(low, whole)
        loop(f, middle, lambda k, _: update(k, lanes), start=low, step=lanes)
        loop(f, high, lambda k, _: update(k, 1), start=middle)

    loop(f, s.n, solve)
