"""Loops and branches.

What a loop carries stands in registers where it is small, else in a slot that each pass reads and overwrites.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxbm.kernels.program import control, loops, waiting
from jaxbm.kernels.program.emit import GIVE_UP, Work, Writer, emits, small
from jaxbm.kernels.program.emitter import Emitter
from jaxbm.kernels.program.ir import Block
from jaxbm.kernels.program.ir import Value as Name
from jaxbm.kernels.program.lazy import Array, Expr, Registers, Splat, View, in_planes, resolved
from jaxbm.kernels.program.values import Index, Value

Slots = list[View | None]


def _slots(e: Emitter, names: Sequence[Name], inits: list[Array], places: Sequence[View | None]) -> Slots:
    """A place in memory, with the initial value in it, for each large part of a carry."""
    slots: Slots = []
    inits.reverse()
    small_ones: list[Array] = []
    for name, place in zip(names, places, strict=True):
        array = inits.pop()  # nobody else has this view of it
        if small(name.shape):
            slots.append(None)
            small_ones.append(array)
        elif place is None or in_planes(name.shape) is not None:
            # Each pass gains by its own order of elements, which outweighs a copy at the end.
            slots.append(e.overwritable(array, in_planes(name.shape)).again(counted=False))
        else:
            e.copy_to(array, place)
            slots.append(place)
        del array
    inits += small_ones
    return slots


def _flat(e: Emitter, arrays: Sequence[Array], slots: Slots) -> list[Value]:
    """The values of what stands in registers."""
    return [v for a, slot in zip(arrays, slots, strict=True) if slot is None for v in e.registers(a).values()]


def _arrays(names: Sequence[Name], slots: Slots, values: Sequence[Value]) -> list[Array]:
    out: list[Array] = []
    at = 0
    for name, slot in zip(names, slots, strict=True):
        if slot is None:
            out.append(Registers.of(name.shape, values[at : at + name.size], name.dtype))
            at += name.size
        else:
            out.append(slot.again())
    return out


def _bind(w: Writer, names: Sequence[Name], arrays: Sequence[Array]) -> None:
    for name, array in zip(names, arrays, strict=True):
        w.bind(name, array)


def _set_level(slots: Slots, level: int) -> None:
    """Say where the slots may be overwritten; afterwards nowhere, if they are the caller's."""
    for slot in slots:
        if slot is not None:
            slot.buffer.level = level


def _release(e: Emitter, slots: Slots) -> None:
    for slot in slots:
        if slot is not None:
            slot.buffer.level = -1 if slot.buffer.arena is None else e.level


@emits("scan")
def scan(work: Work) -> list[Array]:
    """A loop of known length."""
    w, e, node, p = work.writer, work.e, work.node, work.node.params
    (body,), n, length = node.blocks, p["n_carry"], p["length"]
    carry, rows = body.inputs[:n], body.inputs[n:]
    sources = [x if isinstance(x, Splat) else e.memory(x) for x in work.inputs[n:]]
    inits = work.inputs[:n]
    work.inputs.clear()
    slots = _slots(e, carry, inits, work.places[:n])
    first = [v for a in inits for v in e.registers(a).values()]
    results: list[View] = [
        place if place is not None else e.allocate(v.shape, v.dtype)
        for v, place in zip(node.outputs[n:], work.places[n:], strict=True)
    ]

    def step(i: Index, values: list[Value]) -> list[Value]:
        at = e.f.iadd(e.f.imul(i, -1), length - 1) if p["reverse"] else i
        with e.inside():
            _set_level(slots, e.level)
            _bind(w, carry, _arrays(carry, slots, values))
            _bind(w, rows, [_row(e, x, at) for x in sources])
            to = [_row(e, x, at) for x in results]
            for name, row in zip(body.outputs[n:], to, strict=True):
                if name.depth == body.depth and not small(name.shape) and name not in body.inputs:
                    w.places.setdefault(name, row)  # type: ignore[arg-type]
            w.run(body)
            out = w.outputs(body)
            forget(w, body)
            regs = _flat(e, out[:n], slots)
            write_back(e, list(zip(out[:n], slots, strict=True)), list(zip(out[n:], to, strict=True)))  # type: ignore[arg-type]
        return regs

    last = control.loop(e.f, length, step, first)
    _release(e, slots)
    return [*_arrays(carry, slots, last), *(_result(e, x) for x in results)]


def _result(e: Emitter, array: View) -> Array:
    return e.registers(array) if small(array.shape) else array


def _row(e: Emitter, array: Array, i: Index) -> Array:
    if isinstance(array, Splat):
        return Splat(array.shape[1:], array.dtype, array.value)
    assert isinstance(array, View)
    dynamic = e.f.iadd(array.dynamic, e.f.imul(i, array.strides[0]))
    return View(array.shape[1:], array.dtype, array.buffer, array.offset, dynamic, array.strides[1:])


def forget(w: Writer, block: Block) -> None:
    """Drop what a block's inputs stood for."""
    for v in block.inputs:
        w.env.pop(v, None)


@emits("while")
def while_(work: Work) -> list[Array]:
    """A loop that asks before each pass."""
    w, e, node = work.writer, work.e, work.node
    cond, body = node.blocks
    inits = list(work.inputs)
    work.inputs.clear()
    slots = _slots(e, body.inputs, inits, work.places)
    first = [v for a in inits for v in e.registers(a).values()]

    def condition(values: list[Value]) -> Value:
        with e.inside():
            _set_level(slots, -1)
            _bind(w, cond.inputs, _arrays(cond.inputs, slots, values))
            w.run(cond)
            (out,) = w.outputs(cond)
            forget(w, cond)
            return e.element(out, ())

    def step(values: list[Value]) -> list[Value]:
        with e.inside():
            _set_level(slots, e.level)
            _bind(w, body.inputs, _arrays(body.inputs, slots, values))
            w.run(body)
            out = w.outputs(body)
            forget(w, body)
            regs = _flat(e, out, slots)
            write_back(e, list(zip(out, slots, strict=True)), [])
        return regs

    last = control.while_loop(e.f, condition, step, first)
    _release(e, slots)
    return _arrays(body.inputs, slots, last)


@emits("switch")
def switch(work: Work) -> list[Array]:
    """One of several branches; a large result stands where a branch that changes nothing has it already."""
    w, e, node = work.writer, work.e, work.node
    index = e.element(work.inputs[0], ())
    most = e.constant("int32", len(node.blocks) - 1)
    low = e.f.intrinsic("smax", index, e.constant("int32", 0))
    index = e.f.intrinsic("smin", low, most)
    slots: Slots = []
    taken: set[Name] = set()
    for k, name in enumerate(node.outputs):
        if small(name.shape):
            slots.append(None)
            continue
        place = work.places[k]
        if place is None:
            place = _kept_place(work, k, taken) or e.allocate(name.shape, name.dtype)
        slots.append(place.again(counted=False))

    def branch(block: Block) -> Any:
        def write() -> list[Value]:
            with e.inside():
                w.run(block)
                out = w.outputs(block)
                regs = _flat(e, out, slots)
                write_back(e, list(zip(out, slots, strict=True)), [])
                return regs

        return write

    values = control.switch(e.f, index, [branch(block) for block in node.blocks])
    for name in taken:
        w.env.pop(name, None)
    return _arrays(node.outputs, slots, values)


@emits("bail")
def bail(work: Work) -> list[Array]:
    """The program ends here, undone; what is written after it can't be reached."""
    e = work.e
    e.f.jump(GIVE_UP)
    e.f.start(e.f.label())
    zeros = [(v, e.constant(v.dtype, 0)) for v in work.node.outputs]
    return [
        Registers.of(v.shape, [zero] * v.size, v.dtype) if small(v.shape) else Splat(v.shape, v.dtype, zero)
        for v, zero in zeros
    ]


def _kept_place(work: Work, k: int, taken: set[Name]) -> View | None:
    """Where an array stands that a branch gives back as it came, and that nobody needs afterwards."""
    w, e = work.writer, work.e
    for block in work.node.blocks:
        name = block.outputs[k]
        array = w.env.get(name)
        if name.depth >= block.depth or name not in work.dying or name in taken:
            continue
        if isinstance(array, View) and array.is_contiguous() and e.is_own(array):
            taken.add(name)
            return array
    return None


def write_back(e: Emitter, carry: Sequence[tuple[Array, View | None]], results: Sequence[tuple[Array, View]]) -> None:
    """Write what a pass gave to its slots and rows, although it may still read what stands in the slots."""
    groups: dict[tuple[int, ...], list[tuple[Array, View, bool]]] = {}
    for array, slot in carry:
        array = resolved(array)
        if slot is not None and not (isinstance(array, View) and array.is_same(slot)):
            groups.setdefault(array.shape, []).append((array, slot, True))
    for array, row in results:
        array = resolved(array)
        if isinstance(array, Registers):
            e.give_registers(array, row)
        elif not (isinstance(array, View) and array.is_same(row)):
            groups.setdefault(array.shape, []).append((array, row, False))
    ordered = list(groups.values())
    reads = [[x for a, _, _ in group for x in _views(a)] for group in ordered]
    later: list[set[int]] = [set() for _ in ordered]
    for k in range(len(ordered) - 2, -1, -1):
        later[k] = later[k + 1] | {id(x.buffer) for x in reads[k + 1]}
    waiting: list[tuple[Array, View]] = []
    for k, group in enumerate(ordered):
        roots: list[tuple[Array, View | None]] = []
        for array, place, is_slot in group:
            elsewhere = any(x.buffer is place.buffer and not x.is_same(place) for x in reads[k])
            wait = is_slot and (id(place.buffer) in later[k] or elsewhere)
            roots.append((array, None if wait else place))
        views = loops.store_all(e, roots)
        waiting += [
            (view, place) for view, (_, to), (_, place, _) in zip(views, roots, group, strict=False) if to is None
        ]
    e.give(waiting)


def _views(array: Array) -> list[View]:
    array = resolved(array)
    if isinstance(array, Expr | View):
        found = [x for x in loops.below([array])[0] if isinstance(x, View)]
        return [*found, *waiting.operands(found)]
    return []
