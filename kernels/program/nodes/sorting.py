"""Sorting and selection along an axis."""

from __future__ import annotations

from jaxbm.kernels.program import sorting
from jaxbm.kernels.program.emit import Work, emits
from jaxbm.kernels.program.lazy import Array
from jaxbm.kernels.program.nodes.rows import call_rows, moved_back, moved_last


@emits("sort")
def sort(work: Work) -> list[Array]:
    """All operands in the order of the first ones."""
    e, p = work.e, work.node.params
    axis, keys = p["axis"], p["num_keys"]
    rows = [moved_last(e, x, axis) for x in work.inputs]
    n, dtypes = rows[0].shape[-1], [x.dtype for x in rows]
    name = sorting.emit(e.f.module, dtypes, n, keys)
    outputs = [(x.shape, x.dtype) for x in rows]
    scratch = sorting.scratch_bytes(dtypes, n, keys)
    out = call_rows(e, name, rows, outputs, len(rows[0].shape) - 1, scratch=scratch)
    return [moved_back(e, x, axis) for x in out]


@emits("top_k")
def top_k(work: Work) -> list[Array]:
    """The largest elements along the last axis, and where they stand."""
    e, (x,) = work.e, work.inputs
    n, k = x.shape[-1], work.node.params["k"]
    name = sorting.emit_top_k(e.f.module, x.dtype, n, k)
    outputs = [(v.shape, v.dtype) for v in work.node.outputs]
    scratch = sorting.scratch_bytes((x.dtype,), n, 1)
    return call_rows(e, name, [x], outputs, len(x.shape) - 1, scratch=scratch)
