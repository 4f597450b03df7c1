"""Reductions, the places of extremes, and cumulative operations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from jaxbm.kernels.program import control, loops, reduce
from jaxbm.kernels.program.arithmetic import identity
from jaxbm.kernels.program.elements import converted, is_float, is_unsigned, itemsize
from jaxbm.kernels.program.emit import Work, emits, small
from jaxbm.kernels.program.emitter import Emitter
from jaxbm.kernels.program.lazy import Array, Registers, View
from jaxbm.kernels.program.types import I32, I64
from jaxbm.kernels.program.values import Index, Value


@emits("reduce")
def reduce_(work: Work) -> list[Array]:
    """A reduction over some axes."""
    p = work.node.params
    return [reduce.reduce(work.e, p["kind"], work.inputs[0], p["axes"], work.places[0])]


@emits("argreduce")
def argreduce(work: Work) -> list[Array]:
    """The first index of an extreme along an axis."""
    e, x, (out,) = work.e, work.inputs[0], work.node.outputs
    axis, largest = work.node.params["axis"], work.node.params["kind"] == "argmax"
    n = x.shape[axis]
    if small(x.shape):
        rows = np.moveaxis(e.registers(x).items, axis, -1).reshape(-1, n)
        found = []
        for row in rows:
            best, place = row[0], e.f.constant(I64, 0)
            for k in range(1, n):
                wins = _beats(e, x.dtype, row[k], best, largest)
                best, place = wins.select(row[k], best), wins.select(e.f.constant(I64, k), place)
            found.append(converted(e.f, place, "int64", out.dtype))
        return [Registers.of(out.shape, found, out.dtype)]
    source = e.memory(x)
    to = work.places[0] or e.allocate(out.shape, out.dtype)
    kept = [d for d in range(len(x.shape)) if d != axis]
    reading = View(source.shape, source.dtype, source.buffer, source.offset, source.dynamic, source.strides)
    strides = [0] * len(x.shape)
    for d, s in zip(kept, to.strides, strict=True):
        strides[d] = s
    writing = View(x.shape, out.dtype, to.buffer, to.offset, to.dynamic, tuple(strides))

    lanes = e.vector_bytes // max(itemsize(x.dtype), 4)
    # Along a row that is contiguous, in vectors, each lane for itself, to begin with.
    whole = n // lanes * lanes if reading.strides[axis] == 1 and lanes > 1 and n >= 2 * lanes else 0

    def body(outer: loops.Indices) -> None:
        base = loops.place(e, reading, outer)

        def step(i: Any, carry: list[Value]) -> list[Value]:
            y = e.load(reading, e.f.iadd(base, e.f.imul(i, reading.strides[axis])))
            wins = _beats(e, x.dtype, y, carry[0], largest)
            return [wins.select(y, carry[0]), wins.select(e.f.index(i), carry[1])]

        first = [e.load(reading, base), e.f.constant(I64, 0)]
        if whole:
            first = _in_lanes(e, reading, base, whole, lanes, largest)
        place = control.loop(e.f, n, step, first, start=whole or 1)[1]
        e.store(converted(e.f, place, "int64", out.dtype), writing, loops.place(e, writing, outer))

    loops.nest(e, [(x.shape[d], d) for d in kept], body)
    return [e.registers(to) if small(out.shape) else to]


def _in_lanes(e: Emitter, x: View, base: Index, n: int, lanes: int, largest: bool) -> list[Value]:
    """The extreme of n contiguous elements, a multiple of the lanes, and its first place."""
    f, kind = e.f, I64 if itemsize(x.dtype) == 8 else I32
    places = f.pack([f.constant(kind, k) for k in range(lanes)])

    def step(i: Any, carry: list[Value]) -> list[Value]:
        best, place = carry
        y = e.load(x, f.iadd(base, i), lanes)
        at = f.splat(f.index(i).cast("trunc", kind.kind) if kind is I32 else f.index(i), lanes) + places
        wins = _beats(e, x.dtype, y, best, largest)
        return [wins.select(y, best), wins.select(at, place)]

    best, place = control.loop(f, n, step, [e.load(x, base, lanes), places], start=lanes, step=lanes)
    while lanes > 1:
        lanes //= 2
        (a, b), (i, j) = (
            [f.shuffle(v, v, range(h * lanes, (h + 1) * lanes)) for h in range(2)] for v in (best, place)
        )
        wins = _beats(e, x.dtype, b, a, largest) | (~_beats(e, x.dtype, a, b, largest) & j.lt(i))
        best, place = wins.select(b, a), wins.select(j, i)
    return [f.lane(best, 0), f.cast("sext", f.lane(place, 0), "i64")]


def _beats(e: Emitter, dtype: str, x: Value, best: Value, largest: bool) -> Value:
    sign = "gt" if largest else "lt"
    if not is_float(dtype):
        return x.compare(("u" if is_unsigned(dtype) else "s") + sign, best)
    # A NaN beats every number, and the first NaN stays.
    return x.compare("u" + sign, best) & best.compare("ord", best)


@emits("cumulative")
def cumulative(work: Work) -> list[Array]:
    """Every partial result along an axis."""
    e, x, p = work.e, work.inputs[0], work.node.params
    kind, axis, n = p["kind"], p["axis"], x.shape[p["axis"]]
    order = range(n - 1, -1, -1) if p["reverse"] else range(n)
    if small(x.shape):
        items = np.moveaxis(e.registers(x).items, axis, -1).copy()
        rows = items.reshape(-1, n)
        for row in rows:
            for before, k in itertools.pairwise(order):
                row[k] = _combine(e, kind, x.dtype, row[before], row[k])
        return [Registers(np.moveaxis(rows.reshape(items.shape), -1, axis), x.dtype)]
    source = e.memory(x)
    to = work.places[0] or e.allocate(x.shape, x.dtype)
    start = e.constant(x.dtype, identity(kind, x.dtype))

    def body(outer: loops.Indices) -> None:
        a, b = loops.place(e, source, outer), loops.place(e, to, outer)

        def step(i: Any, carry: list[Value]) -> list[Value]:
            if p["reverse"]:
                i = e.f.iadd(e.f.imul(i, -1), n - 1)
            y = e.load(source, e.f.iadd(a, e.f.imul(i, source.strides[axis])))
            y = _combine(e, kind, x.dtype, carry[0], y)
            e.store(y, to, e.f.iadd(b, e.f.imul(i, to.strides[axis])))
            return [y]

        control.loop(e.f, n, step, [start])

    loops.nest(e, [(m, d) for d, m in enumerate(x.shape) if d != axis], body)
    return [to]


def _combine(e: Emitter, kind: str, dtype: str, a: Value, b: Value) -> Value:
    if kind != "logaddexp":
        return reduce.combine(e, kind, dtype, a, b)
    high, low = e.compute("max", dtype, [dtype] * 2, [a, b]), e.compute("min", dtype, [dtype] * 2, [a, b])
    # Equal operands are two infinities as well, whose difference is no number.
    gap = a.eq(b).select(e.constant(dtype, 0), low - high)
    tail = e.compute("log1p", dtype, [dtype], [e.compute("exp", dtype, [dtype], [gap])])
    return high.unary("fabs").eq(float("inf")).select(high, high + tail)
