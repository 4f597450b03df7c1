"""Copies of a block of columns with k outermost, as the register tiles read them."""

from __future__ import annotations

from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import Type
from jaxbm.kernels.program.values import Index, Value


def transpose(f: Function, rows: list[Value]) -> list[Value]:
    """The transpose of a square of vectors: exchanges of ever larger blocks off the diagonal."""
    n, step = len(rows), 1
    while step < n:
        low = [k if not k & step else n + (k ^ step) for k in range(n)]
        high = [(k ^ step) if not k & step else n + k for k in range(n)]
        out = list(rows)
        for a in range(n):
            if not a & step:
                x, y = rows[a], rows[a | step]
                out[a], out[a | step] = f.shuffle(x, y, low), f.shuffle(x, y, high)
        rows, step = out, step * 2
    return rows


def pack(
    f: Function,
    type: Type,
    source: Value,
    strides: tuple[int, int],
    columns: int,
    count: int,
    panel: Value,
    lanes: int,
) -> None:
    """panel[k, n] = source[n * strides[0] + k * strides[1]] for `columns` n and `count` k."""
    across, along = strides

    def element(n: Index, k: Index) -> None:
        value = f.load(source, type, f.iadd(f.imul(n, across), f.imul(k, along)))
        f.store(value, panel, f.iadd(f.imul(k, columns), n))

    def scalars(first: int, last: int, start: int, stop: int) -> None:
        """Columns first to last and k from start to stop, one by one."""
        loop(f, last, lambda n, _: _nothing(loop(f, stop, lambda k, _: element(n, k), start=start)), start=first)

    if across == 1:
        _copy_rows(f, type, source, along, columns, count, panel, lanes)
        return
    square = min(8 if type.itemsize < 8 else 4, lanes)
    across_whole, along_whole = columns // square * square, count // square * square
    if along != 1 or not across_whole or not along_whole or square < 2:
        scalars(0, columns, 0, count)
        return
    vector = type.vector(square)

    def block(n: Index, k: Index) -> None:
        at = f.offset(source, type, f.iadd(f.imul(n, across), k))
        rows = [f.load(at, vector, q * across) for q in range(square)]
        to = f.offset(panel, type, f.iadd(f.imul(k, columns), n))
        for q, row in enumerate(transpose(f, rows)):
            f.store(row, to, q * columns)

    def columns_of(n: Index) -> None:
        loop(f, along_whole, lambda k, _: block(n, k), step=square)

    loop(f, across_whole, lambda n, _: columns_of(n), step=square)
    scalars(0, across_whole, along_whole, count)
    scalars(across_whole, columns, 0, count)


def _nothing(_: object) -> None:
    return None


def _copy_rows(
    f: Function, type: Type, source: Value, along: int, columns: int, count: int, panel: Value, lanes: int
) -> None:
    """Rows that are contiguous: vectors, the last one overlapping the one before it."""
    offsets = [min(v, columns - lanes) for v in range(0, columns, lanes)]

    def row(k: Index, _: list[Value]) -> None:
        at, to = f.offset(source, type, f.imul(k, along)), f.offset(panel, type, f.imul(k, columns))
        for o in offsets:
            f.store(f.load(at, type.vector(lanes if lanes > 1 else 0), o), to, o)

    loop(f, count, row)
