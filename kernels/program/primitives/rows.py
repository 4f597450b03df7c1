"""Arrays that are put together row by row: a row that was just written is taken as it is, not read back.

Such an array is a concatenation of what was written and what was there before, which nobody computes where only its
rows are read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxbm.kernels.program.ir import Const, Value
from jaxbm.kernels.program.trace import Tracer

LONGEST, LARGEST = 32, 4096
"""Rows, and elements, up to which an array is put together anew when a row of it is written."""


def piece(tracer: Tracer, x: Value, axis: int, start: int, stop: int) -> Value | None:
    """x[start:stop] along an axis, where it is known without reading any array but one that is all of it."""
    shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
    if shape == x.shape:
        return x
    if isinstance(x, Const):
        return tracer.constant(np.ascontiguousarray(np.take(x.array, range(start, stop), axis)), x.dtype)
    node = tracer.made.get(x)
    if node is None or not node.inputs:
        return None  # an iota has no operands
    source, p = node.inputs[0], node.params
    if node.op == "broadcast":
        if axis in p["axes"] and source.shape[p["axes"].index(axis)] > 1:
            inner = piece(tracer, source, p["axes"].index(axis), start, stop)
            return None if inner is None else tracer.broadcast(inner, shape, p["axes"])
        return tracer.broadcast(source, shape, p["axes"])
    if node.op == "concatenate" and p["axis"] == axis:
        at = 0
        for part in node.inputs:
            end = at + part.shape[axis]
            if at <= start and stop <= end:
                return piece(tracer, part, axis, start - at, stop - at)
            at = end
    if node.op == "transpose":
        inner = piece(tracer, source, p["permutation"][axis], start, stop)
        return None if inner is None else tracer.add("transpose", [inner], shape, x.dtype, **p)
    if node.op == "reshape":
        before = int(np.prod(x.shape[:axis]))
        for k, n in enumerate(source.shape):
            if n == x.shape[axis] and int(np.prod(source.shape[:k])) == before:
                inner = piece(tracer, source, k, start, stop)
                return None if inner is None else tracer.add("reshape", [inner], shape, x.dtype)
    return None


def with_row(tracer: Tracer, x: Value, axis: int, index: int, row: Value) -> Value | None:
    """x with one row along an axis replaced by one of length 1 there; None where that is better done in memory."""
    if x.shape[axis] > LONGEST or x.size > LARGEST:
        return None
    if x.shape[axis] == 1:
        return row
    node, parts = tracer.made.get(x), [x]
    if node is not None and node.op == "concatenate" and node.params["axis"] == axis:
        parts = list(node.inputs)
    out: list[Value] = []
    at = 0
    for part in parts:
        n = part.shape[axis]
        if at <= index < at + n:
            before = piece(tracer, part, axis, 0, index - at) if index > at else None
            after = piece(tracer, part, axis, index + 1 - at, n) if index + 1 < at + n else None
            if (index > at and before is None) or (index + 1 < at + n and after is None):
                return None
            out += [v for v in (before, row, after) if v is not None]
        else:
            out.append(part)
        at += n
    return tracer.add("concatenate", out, x.shape, x.dtype, axis=axis)


def weighted_sum(tracer: Tracer, weights: np.ndarray, x: Value, axis: int) -> Value | None:
    """The sum of an array's rows by known weights, of length 1 along the axis; None where its rows aren't known."""
    node = tracer.made.get(x)
    if node is None or x.shape[axis] > LONGEST or not x.dtype.startswith("float"):
        return None
    rows = [piece(tracer, x, axis, k, k + 1) for k in range(x.shape[axis])]
    if any(row is None for row in rows):
        return None
    total: Value | None = None
    for weight, row in sorted(zip(weights, rows, strict=True), key=lambda pair: not isinstance(pair[1], Const)):
        assert row is not None
        factor = tracer.full(weight, row.shape, x.dtype)
        if isinstance(row, Const):
            if np.all(row.array == 0) and np.isfinite(weight):
                continue  # nothing is added
            factor, row = row, factor
        term = tracer.add("multiply_for_sum", [factor, row], row.shape, x.dtype)
        total = term if total is None else tracer.add("add_to_sum", [total, term], row.shape, x.dtype)
    return total


def only_axis(start: Sequence[int], limit: Sequence[int], stride: Sequence[int], shape: Sequence[int]) -> int | None:
    """The one axis along which a slice is less than all; None where there are several, or it has steps."""
    axes = [k for k, n in enumerate(shape) if (start[k], limit[k]) != (0, n)]
    return axes[0] if len(axes) == 1 and all(s == 1 for s in stride) else None
