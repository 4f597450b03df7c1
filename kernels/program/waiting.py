"""Products that wait, when they are written, for what reads them first (`beside`); all else has them computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from jaxbm.kernels.program import dots
from jaxbm.kernels.program.elements import register_type
from jaxbm.kernels.program.lazy import Array, View
from jaxbm.kernels.program.place import Buffer
from jaxbm.kernels.program.types import VOID
from jaxbm.kernels.program.values import Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.emitter import Emitter


class Pending(NamedTuple):
    """A product that waits: what it is, its operands, and how many loops and branches are around it."""

    spec: dots.Spec
    operands: tuple[View, View]
    level: int


def among(order: Sequence[Array]) -> list[Buffer]:
    """The places of products that wait among these arrays."""
    found = {id(x.buffer): x.buffer for x in order if isinstance(x, View) and x.buffer.pending is not None}
    return list(found.values())


def operands(order: Sequence[Array]) -> list[View]:
    """What products that wait among these arrays will read."""
    return [x for buffer in among(order) if buffer.pending is not None for x in buffer.pending.operands]


def finish(e: Emitter, buffer: Buffer) -> None:
    """Compute the product that is to stand there, if one waits."""
    pending, buffer.pending = buffer.pending, None
    if pending is None:
        return
    if pending.level != e.level:
        raise AssertionError("a product is computed in another loop than its own, an error of this compiler")
    spec = pending.spec
    to = View((spec.batch, spec.m, spec.n), spec.dtype, buffer, strides=spec.out, counted=False)
    multiply(e, spec, *pending.operands, to)


def multiply(e: Emitter, spec: dots.Spec, left: View, right: View, to: View) -> None:
    """Write a product's elements to a place."""
    e.f.call(dots.emit(e.products, spec), VOID, [address(e, x) for x in (left, right, to)])


def address(e: Emitter, view: View) -> Value:
    """Where the first element stands; with checks, whether all elements lie inside."""
    first = e.f.iadd(view.dynamic, view.offset)
    reach = [(n - 1) * s for n, s in zip(view.shape, view.strides, strict=True)]
    e.check(view, e.f.iadd(first, sum(min(x, 0) for x in reach)), 1 + sum(abs(x) for x in reach))
    return e.f.offset(view.buffer.pointer(), register_type(view.dtype), first)
