"""Nodes that are functions of contiguous rows or matrices, called for each of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxbm.kernels.program import loops
from jaxbm.kernels.program.elements import register_type
from jaxbm.kernels.program.emit import small
from jaxbm.kernels.program.emitter import Emitter
from jaxbm.kernels.program.lazy import Array
from jaxbm.kernels.program.types import I16, VOID, Type

Typed = tuple[tuple[int, ...], str]


def memory_type(dtype: str) -> Type:
    """The type by which elements are counted in memory."""
    return I16 if dtype in ("float16", "bfloat16") else register_type(dtype)


def call_rows(
    e: Emitter,
    name: str,
    inputs: Sequence[Array],
    outputs: Sequence[Typed],
    lead: int,
    *,
    scratch: int = 0,
    order: Sequence[int] | None = None,
) -> list[Array]:
    """`name(inputs..., outputs...[, scratch])` for every index of the `lead` leading axes.

    `order` says which output comes at which place among the function's parameters.
    """
    sources = [e.memory(x, contiguous=True) for x in inputs]
    targets = [e.allocate(shape, dtype) for shape, dtype in outputs]
    batch = outputs[0][0][:lead]
    room = e.allocate((scratch,), "uint8") if scratch else None

    def body(outer: loops.Indices) -> None:
        pointers = []
        for x in (*sources, *(targets[k] for k in order or range(len(targets)))):
            own = math.prod(x.shape[lead:])
            at = loops.place(e, x, outer)
            e.check(x, at, own)
            pointers.append(e.f.offset(x.buffer.pointer(), memory_type(x.dtype), at))
        if room is not None:
            pointers.append(room.buffer.pointer())
        e.f.call(name, VOID, pointers)

    single: loops.Indices = [(d, 0) for d, n in enumerate(batch) if n == 1]
    loops.nest(e, [(n, d) for d, n in enumerate(batch) if n > 1], body, single)
    return [e.registers(x) if small(x.shape) else x for x in targets]


def moved_last(e: Emitter, array: Array, axis: int) -> Array:
    """The array with one axis moved to the end."""
    n = len(array.shape)
    if axis == n - 1:
        return array
    return e.transpose(array, (*(d for d in range(n) if d != axis), axis))


def moved_back(e: Emitter, array: Array, axis: int) -> Array:
    """The inverse of `moved_last`."""
    n = len(array.shape)
    if axis == n - 1:
        return array
    return e.transpose(array, (*range(axis), n - 1, *range(axis, n - 1)))
