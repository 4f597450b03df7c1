"""Nodes that read and write at places computed by the program."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxbm.kernels.program import control, loops
from jaxbm.kernels.program.elements import converted, is_float, is_unsigned, number
from jaxbm.kernels.program.emit import Work, emits, small
from jaxbm.kernels.program.emitter import Emitter
from jaxbm.kernels.program.lazy import Array, Expr, Registers, Splat, View
from jaxbm.kernels.program.types import I1, I64
from jaxbm.kernels.program.values import Index, Value

FEW_PLACES = 16
"""Places up to which a small array is read and written by selecting rather than through memory."""


def as_index(e: Emitter, value: Value, dtype: str) -> Value:
    """A 64-bit index; unsigned 64-bit ones beyond the signed range become the largest."""
    wide = converted(e.f, value, dtype, "int64")
    if dtype == "uint64":
        wide = wide.lt(0).select(np.iinfo(np.int64).max, wide)
    return wide


def clamped(e: Emitter, value: Value, dtype: str, most: int) -> Index:
    """An index brought into [0, most]."""
    if value.is_constant:
        at = int(number(value))
        if is_unsigned(dtype) and at < 0:
            at += 1 << value.type.bits
        return min(max(at, 0), most)
    wide = as_index(e, value, dtype)
    low = e.f.intrinsic("smax", wide, e.f.constant(I64, 0))
    return e.f.intrinsic("smin", low, e.f.constant(I64, most))


def all_inside(e: Emitter, values: Sequence[tuple[Value, str]], most: Sequence[int]) -> Value:
    """Whether every index lies in [0, most]."""
    ok = Value(e.f, "true", I1)
    for (value, dtype), limit in zip(values, most, strict=True):
        here = as_index(e, value, dtype).compare("ule", limit)
        ok = here if ok.is_constant else ok & here
    return ok


def _starts(e: Emitter, work: Work, arrays: Sequence[Array], most: Sequence[int]) -> list[Index]:
    return [clamped(e, e.element(a, ()), a.dtype, m) for a, m in zip(arrays, most, strict=True)]


def part_of(
    e: Emitter,
    array: View,
    places: Iterable[tuple[int, Index]],
    shape: tuple[int, ...],
    axes: Sequence[int] | None = None,
) -> View:
    """The part of an array that begins at the places of some axes, `(axis, index)`, and has a shape along `axes`, or
    all of them."""
    dynamic = array.dynamic
    for k, i in places:
        dynamic = e.f.iadd(dynamic, e.f.imul(i, array.strides[k]))
    strides = array.strides if axes is None else tuple(array.strides[k] for k in axes)
    return View(shape, array.dtype, array.buffer, array.offset, dynamic, strides)


@emits("dynamic_slice")
def dynamic_slice(work: Work) -> list[Array]:
    """A part at a clamped place."""
    e, (x, *starts), (out,) = work.e, work.inputs, work.node.outputs
    at = _starts(e, work, starts, [n - s for n, s in zip(x.shape, out.shape, strict=True)])
    unknown = [k for k, i in enumerate(at) if not isinstance(i, int)]
    if isinstance(x, Registers):
        if not unknown:
            return [Registers(x.items[_window(at, out.shape)], x.dtype)]
        (k, *more) = unknown
        if not more and x.shape[k] <= FEW_PLACES:
            return [_selected(e, x, at, k, out.shape)]
    part = part_of(e, e.memory(x), enumerate(at), out.shape)
    if small(out.shape):
        return [e.registers(part)]
    # A copy: the operand may be changed in place later, in the next pass of a loop for instance.
    to = work.places[0] or e.allocate(out.shape, out.dtype)
    return [loops.store_all(e, [(part, to)])[0]]


def _window(at: Sequence[Index], shape: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(int(i), int(i) + n) for i, n in zip(at, shape, strict=True))  # type: ignore[arg-type]


def _selected(e: Emitter, x: Registers, at: list[Index], k: int, shape: Sequence[int]) -> Registers:
    """One of several parts of a small array, by comparing the place along its axis k."""
    chosen: list[Value] = []
    for place in range(x.shape[k] - shape[k] + 1):
        part = list(x.items[_window([*at[:k], place, *at[k + 1 :]], shape)].flat)
        if not chosen:
            chosen = part
            continue
        here = e.f.index(at[k]).eq(place)
        chosen = [here.select(new, old) for new, old in zip(part, chosen, strict=True)]
    return Registers.of(tuple(shape), chosen, x.dtype)


@emits("dynamic_update_slice")
def dynamic_update_slice(work: Work) -> list[Array]:
    """A part replaced, at a clamped place: where the operand stands, if nobody else reads it."""
    e, (x, update, *starts) = work.e, work.inputs
    at = _starts(e, work, starts, [n - s for n, s in zip(x.shape, update.shape, strict=True)])
    if isinstance(x, Registers):
        return [_updated_registers(e, x, e.registers(update), at)]
    if not update.size:
        return [x]
    if isinstance(update, Expr):
        update = e.memory(update)  # it may read the operand
    starts.clear()
    work.inputs.clear()
    target = e.overwritable(x)
    del x
    part = part_of(e, target, enumerate(at), update.shape)
    if isinstance(update, View) and update.buffer is target.buffer:
        update = e.memory(update, contiguous=True) if not update.is_contiguous() else _copy(e, update)
    e.give([(update, part)])
    return [target]


def _copy(e: Emitter, view: View) -> View:
    out = e.allocate(view.shape, view.dtype)
    e.give([(view, out)])
    return out


def _updated_registers(e: Emitter, x: Registers, update: Registers, at: Sequence[Index]) -> Registers:
    items = x.items.copy()
    for where in itertools.product(*map(range, x.shape)):
        for inner in itertools.product(*map(range, update.shape)):
            offset = [i - j for i, j in zip(where, inner, strict=True)]
            inside = all(0 <= o <= n - m for o, n, m in zip(offset, x.shape, update.shape, strict=True))
            if not inside or any(isinstance(a, int) and a != o for a, o in zip(at, offset, strict=True)):
                continue
            here: Value | None = None
            for a, o in zip(at, offset, strict=True):
                if isinstance(a, Value):
                    same = a.eq(o)
                    here = same if here is None else here & same
            new = update.items[inner]
            items[where] = new if here is None else here.select(new, items[where])
    return Registers(items, x.dtype)


class Places:
    """The index vectors of a gather or scatter: an array whose last axis holds a place along several axes."""

    def __init__(self, e: Emitter, indices: Array, *, unrolled: bool) -> None:
        self._e, self.dtype = e, indices.dtype
        self.batch, self.count = indices.shape[:-1], indices.shape[-1]
        self._indices: Array = e.registers(indices) if unrolled and indices.size <= 64 else e.node(indices)
        if not isinstance(self._indices, Registers | Splat):
            self._indices = e.memory(self._indices)

    def at(self, batch: Sequence[Index]) -> list[tuple[Value, str]]:
        """The index vector at these indices of the batch axes."""
        e, indices = self._e, self._indices
        if isinstance(indices, Splat):
            return [(indices.value, self.dtype)] * self.count
        if isinstance(indices, Registers):
            place: Any = tuple(int(i) for i in batch)  # type: ignore[arg-type]
            vector = indices.items[place]
            return [(value, self.dtype) for value in vector]
        assert isinstance(indices, View)
        base: Index = e.f.iadd(indices.dynamic, indices.offset)
        for i, s in zip(batch, indices.strides, strict=False):
            base = e.f.iadd(base, e.f.imul(i, s))
        last = indices.strides[-1]
        return [(e.load(indices, e.f.iadd(base, k * last)), self.dtype) for k in range(self.count)]


@emits("gather")
def gather(work: Work) -> list[Array]:
    """Windows of an array, one for each index vector."""
    e, (x, indices), (out,), p = work.e, work.inputs, work.node.outputs, work.node.params
    sizes, offsets, start_map = p["sizes"], p["offsets"], p["start_map"]
    window = [k for k in range(len(x.shape)) if k not in p["collapsed"] and k not in p["batching"]]
    batch_axes = [k for k in range(len(out.shape)) if k not in offsets]
    most = [x.shape[k] - sizes[k] for k in start_map]
    fill = e.constant(out.dtype, _fill_value(out.dtype, p["fill"])) if p["mode"] == "fill" else None
    few = small(out.shape)
    single = len(window) == 0 and few and isinstance(x, Registers) and x.shape == (x.size,)
    if single and indices.size == 1 and x.size <= FEW_PLACES:
        (value,) = e.registers(indices).values()
        return [_picked(e, x, value, indices.dtype, out.shape, fill)]  # type: ignore[arg-type]
    places = Places(e, indices, unrolled=few)
    source = e.memory(x)
    shape = tuple(sizes[k] for k in window)

    def windows(batch: Sequence[Index]) -> tuple[View, Value | None]:
        vector = places.at(batch)
        view = _part_at(e, p, source, (shape, window), vector, most, batch)
        return view, None if fill is None else all_inside(e, vector, most)

    if few:
        items = np.empty(out.shape, object)
        for batch in itertools.product(*map(range, places.batch)):
            view, ok = windows(batch)
            values = e.registers(view).items
            for inner in itertools.product(*map(range, shape)):
                where = [0] * len(out.shape)
                for k, i in [*zip(batch_axes, batch, strict=True), *zip(offsets, inner, strict=True)]:
                    where[k] = i
                value = values[inner]
                items[tuple(where)] = value if ok is None or fill is None else ok.select(value, fill)
        return [Registers(items, out.dtype)]
    to = work.places[0] or e.allocate(out.shape, out.dtype)

    def body(outer: loops.Indices) -> None:
        batch = [i for _, i in outer]
        view, ok = windows(batch)
        place = part_of(e, to, zip(batch_axes, batch, strict=True), shape, offsets)
        array: Array = view
        if ok is not None and fill is not None:
            cases = [Splat(shape, "bool", ok), Splat(shape, out.dtype, fill), view]
            array = Expr(shape, out.dtype, "select_n", {}, cases)
        loops.store_all(e, [(array, place)])

    loops.nest(e, [(n, k) for k, n in enumerate(places.batch)], body)
    return [to]


def _part_at(
    e: Emitter,
    p: Mapping[str, Any],
    array: View,
    kept: tuple[tuple[int, ...], Sequence[int]],
    vector: Sequence[tuple[Value, str]],
    most: Sequence[int],
    batch: Sequence[Index],
) -> View:
    """The part of an array, of a shape and along the axes that are `kept`, that starts where an index vector says, at
    `most` so far along each of its axes."""
    starts = (clamped(e, *value, limit) for value, limit in zip(vector, most, strict=True))
    shared = (batch[axis] for axis in p["index_batching"])
    places = zip((*p["start_map"], *p["batching"]), itertools.chain(starts, shared), strict=True)
    return part_of(e, array, places, *kept)


def _fill_value(dtype: str, value: object) -> object:
    if value is not None:
        return value
    if is_float(dtype):
        return float("nan")
    if dtype == "bool":
        return True
    limits = np.iinfo(dtype)
    return limits.max if is_unsigned(dtype) else limits.min


def _picked(
    e: Emitter, x: Registers, value: Value, dtype: str, shape: tuple[int, ...], fill: Value | None
) -> Registers:
    """One element of a small array, by comparing its index."""
    at = clamped(e, value, dtype, x.size - 1)
    if isinstance(at, int):
        out = x.items[at]
    else:
        out = x.items[0]
        for k in range(1, x.size):
            out = at.eq(k).select(x.items[k], out)
    if fill is not None:
        out = all_inside(e, [(value, dtype)], [x.size - 1]).select(out, fill)
    return Registers.of(shape, [out], x.dtype)


@emits("scatter")
def scatter(work: Work) -> list[Array]:
    """Windows written, or combined with what stands there, one index vector after the other."""
    e, (x, indices, updates), p = work.e, work.inputs, work.node.params
    dtype, windows, start_map = x.dtype, p["windows"], p["start_map"]
    was_small = isinstance(x, Registers)
    if isinstance(updates, Expr):
        updates = e.memory(updates)
    if isinstance(updates, Registers) and updates.size == 1:
        updates = e.node(updates)
    if not isinstance(updates, Splat):
        updates = e.memory(updates)
    places = Places(e, indices, unrolled=False) if not isinstance(indices, Registers) or indices.size > 1 else None
    if places is None or isinstance(places._indices, Registers):
        places = Places(e, e.memory(indices), unrolled=False)
    shape = tuple(updates.shape[k] for k in windows)
    window = [k for k in range(len(x.shape)) if k not in p["inserted"] and k not in p["batching"]]
    batch_axes = [k for k in range(len(updates.shape)) if k not in windows]
    sizes = [1] * len(x.shape)
    for k, n in zip(window, shape, strict=True):
        sizes[k] = n
    most = [x.shape[k] - sizes[k] for k in start_map]
    del indices
    work.inputs.clear()
    if isinstance(updates, View) and isinstance(x, View) and updates.buffer is x.buffer:
        updates = _copy(e, updates)
    target = e.overwritable(x)
    del x
    if not updates.size:
        return [e.registers(target) if was_small else target]

    def body(outer: loops.Indices) -> None:
        batch = [i for _, i in outer]
        vector = places.at(batch)
        place = _part_at(e, p, target, (shape, window), vector, most, batch)

        def write() -> None:
            array = _update(e, updates, shape, windows, batch_axes, batch)
            if p["kind"] != "set":
                array = Expr(shape, dtype, p["kind"], {}, [place, array])
            loops.store_all(e, [(array, place)])

        if p["mode"] == "drop":
            control.when(e.f, all_inside(e, vector, most), write)
        else:
            write()

    loops.nest(e, [(n, k) for k, n in enumerate(places.batch)], body)
    return [e.registers(target) if was_small else target]


def _update(
    e: Emitter,
    updates: Array,
    shape: tuple[int, ...],
    windows: Sequence[int],
    batch_axes: Sequence[int],
    batch: Sequence[Index],
) -> Array:
    """The window of the updates that belongs to an index vector."""
    if isinstance(updates, Splat):
        return Splat(shape, updates.dtype, updates.value)
    assert isinstance(updates, View)
    return part_of(e, updates, zip(batch_axes, batch, strict=True), shape, windows)
