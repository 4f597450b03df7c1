"""Computing expressions and storing them, in one loop nest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from jaxbm.kernels.program import beside, control, waiting
from jaxbm.kernels.program.arithmetic import COST
from jaxbm.kernels.program.elements import is_float
from jaxbm.kernels.program.interleave import interleaved
from jaxbm.kernels.program.lazy import Affine, Array, Expr, Shape, View, resolved
from jaxbm.kernels.program.nests import LONG, Indices, Reader, axis_order, below, lanes_for, merged, nest, place
from jaxbm.kernels.program.values import Index, Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.emitter import Emitter

SHARED = 3
"""Cost from which on an expression that is read twice is stored rather than computed again."""


def store_all(e: Emitter, roots: Sequence[tuple[Array, View | None]]) -> list[View]:
    """Compute arrays of one shape into given or new places, in one loop nest; gives the places."""
    pairs = [(e.node(resolved(r)), d) for r, d in roots]
    shape = pairs[0][0].shape
    order, degree = below([r for r, _ in pairs])
    if len(waiting.among(order)) > 1 and len(apart := beside.parts(pairs)) > 1:
        views = {k: v for part in apart for k, v in zip(part, store_all(e, [pairs[k] for k in part]), strict=False)}
        return [views[k] for k in range(len(pairs))]
    have = {id(r) for r, _ in pairs}
    for x in order:
        if isinstance(x, Expr) and id(x) not in have and x.cost >= SHARED and x.uses > degree.get(id(x), 0):
            pairs.append((x, None))
            have.add(id(x))
    leaves = [x for x in order if isinstance(x, View | Affine)]
    rows = [(1.0, x.strides) for x in leaves if isinstance(x, View)]
    rows += [(2.0, d.strides) for _, d in pairs if d is not None]
    cost = sum(COST.get(x.op, 1) for x in order if isinstance(x, Expr))
    axes = axis_order(shape, rows, cost, lanes_for(e, order, LONG * e.wide_bytes))
    layout = _layout(shape, axes)
    targets = [(r, e.allocate(shape, r.dtype, layout) if d is None else d) for r, d in pairs]
    if not beside.written(e, order, degree, targets) and 0 not in shape:
        strides = [x.strides for x in leaves] + [d.strides for _, d in targets]
        dims = merged(axes, shape, strides)
        inner = dims[-1] if dims else (1, None)
        nest(e, dims[:-1], lambda outer: _inner_loop(e, inner, outer, order, targets))
    for r, d in targets:
        if isinstance(r, Expr) and r.view is None:
            r.view, r.args = d.again(), []
    return [d for _, d in targets]


def _layout(shape: Shape, axes: Sequence[int]) -> Shape:
    """Strides of a new array whose elements follow one another in the order of the loops."""
    strides, size = [0] * len(shape), 1
    for d in reversed([*(d for d in range(len(shape)) if shape[d] <= 1), *axes]):
        strides[d] = size
        size *= shape[d]
    return tuple(strides)


def _inner_loop(
    e: Emitter,
    dim: tuple[int, int | None],
    outer: Indices,
    order: Sequence[Array],
    targets: Sequence[tuple[Array, View]],
) -> None:
    f, (n, axis) = e.f, dim
    reader = Reader(e, order, axis, outer)
    bases = [place(e, d, outer) for _, d in targets]
    lanes = lanes_for(e, order, n)

    def compute(i: Index, lanes: int) -> list[Value]:
        get = reader.read(i, lanes)
        return [get(r) for r, _ in targets]

    def store(values: Sequence[Value], i: Index, lanes: int) -> None:
        for value, base, (_, d) in zip(values, bases, targets, strict=True):
            stride = 1 if axis is None else d.strides[axis]
            at = f.iadd(base, f.imul(i, stride))
            if stride == 1 or not lanes:
                e.store(value, d, at)
            else:
                for k, part in enumerate(f.unpack(value)):
                    e.store(part, d, f.iadd(at, k * stride))

    def step(pieces: Sequence[tuple[Index, int]]) -> None:
        written = interleaved(f, [partial(compute, *piece) for piece in pieces])
        for values, piece in zip(written, pieces, strict=True):
            store(values, *piece)

    in_vectors(e, n, lanes, step, at_once=reader.at_once(lanes))


def in_vectors(
    e: Emitter, n: int, lanes: int, step: Callable[[Sequence[tuple[Index, int]]], None], *, at_once: int = 1
) -> None:
    """step of pieces (i, lanes) that cover n elements: whole vectors in a loop, `at_once` of them, then the rest."""
    if lanes == 1:
        control.loop(e.f, n, lambda i, _: step([(i, 0)]))
        return
    width = at_once * lanes
    whole = n // width * width
    control.loop(e.f, whole, lambda i, _: step([(e.f.iadd(i, k * lanes), lanes) for k in range(at_once)]), step=width)
    pieces: list[tuple[Index, int]] = [(at, lanes) for at in range(whole, n - lanes + 1, lanes)]
    if n % lanes:
        pieces.append((n - n % lanes, n % lanes if n % lanes > 1 else 0))
    if at_once > 1:
        step(pieces)
    else:
        for piece in pieces:
            step([piece])


__all__ = [
    "Indices", "Reader", "axis_order", "below", "in_vectors", "is_float", "lanes_for", "merged", "nest", "place",
    "store_all",
]  # fmt: skip
