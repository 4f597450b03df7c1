"""Costly operations on scalars, packed into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jaxbm.kernels.program import arithmetic, nests
from jaxbm.kernels.program.elements import itemsize
from jaxbm.kernels.program.interleave import interleaved
from jaxbm.kernels.program.values import Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.emitter import Emitter


def scalars(
    e: Emitter,
    op: str,
    dtype: str,
    dtypes: Sequence[str],
    rows: Sequence[tuple[Value, ...]],
    params: dict[str, Any] | None = None,
) -> list[Value]:
    """The operation on each row of operands; costly ones are packed into vectors, which are computed by turns."""
    if op not in arithmetic.PACKED or len(rows) == 1:
        return [e.compute(op, dtype, dtypes, row, params) for row in rows]
    texts = [tuple(v.text for v in row) for row in rows]
    distinct = dict(zip(texts, rows, strict=True))
    wide = e.wide_bytes // max(itemsize(dtype), 4)
    lanes = wide if len(distinct) >= 2 * wide else max(1, e.vector_bytes // max(itemsize(dtype), 4))
    done: dict[tuple[str, ...], Value] = {}
    keys = list(distinct)
    full: list[list[tuple[str, ...]]] = []
    for at in range(0, len(keys), lanes):
        group = keys[at : at + lanes]
        if len(group) < arithmetic.PACKED_FROM.get(op, 2):
            done.update((key, e.compute(op, dtype, dtypes, distinct[key], params)) for key in group)
        else:
            full.append(group)

    def packed(group: Sequence[tuple[str, ...]]) -> Value:
        columns = zip(*[distinct[k] for k in group], strict=True)
        return e.compute(op, dtype, dtypes, [e.f.pack(list(c)) for c in columns], params)

    for at in range(0, len(full), nests.AT_ONCE):
        some = full[at : at + nests.AT_ONCE]
        for group, out in zip(some, interleaved(e.f, [partial(packed, g) for g in some]), strict=True):
            done.update(zip(group, e.f.unpack(out), strict=True))
    return [done[t] for t in texts]
