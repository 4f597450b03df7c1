"""Nodes that move elements."""

from __future__ import annotations

import numpy as np

from jaxbm.kernels.program.emit import Work, emits, small
from jaxbm.kernels.program.lazy import Affine, Array, Registers, Splat, View, in_planes


@emits("broadcast")
def broadcast(work: Work) -> list[Array]:
    """A broadcast."""
    (out,) = work.node.outputs
    return [work.e.broadcast(work.inputs[0], out.shape, work.node.params["axes"])]


@emits("reshape")
def reshape(work: Work) -> list[Array]:
    """A reshape."""
    return [work.e.reshape(work.inputs[0], work.node.outputs[0].shape)]


@emits("transpose")
def transpose(work: Work) -> list[Array]:
    """A transpose."""
    return [work.e.transpose(work.inputs[0], work.node.params["permutation"])]


@emits("slice")
def slice_(work: Work) -> list[Array]:
    """A static part."""
    p = work.node.params
    return [work.e.slice(work.inputs[0], p["start"], p["limit"], p["stride"])]


@emits("rev")
def rev(work: Work) -> list[Array]:
    """Some axes backwards."""
    return [work.e.reverse(work.inputs[0], work.node.params["axes"])]


@emits("affine")
def affine(work: Work) -> list[Array]:
    """Elements that are linear in their index."""
    (out,) = work.node.outputs
    array = Affine(out.shape, out.dtype, 0, work.node.params["strides"])
    return [work.e.registers(array) if small(out.shape) else array]


@emits("concatenate")
def concatenate(work: Work) -> list[Array]:
    """Arrays one after the other."""
    e, (out,), axis = work.e, work.node.outputs, work.node.params["axis"]
    if small(out.shape):
        return [Registers(np.concatenate([e.registers(x).items for x in work.inputs], axis), out.dtype)]
    planes = in_planes(out.shape)
    to = work.places[0] if planes is None else None
    to = to or e.allocate(out.shape, out.dtype, planes)
    pairs, start = [], [0] * len(out.shape)
    for x in work.inputs:
        if x.size:
            pairs.append((x, to.part(start, x.shape)))
        start[axis] += x.shape[axis]
    e.give(pairs)
    return [to]


@emits("pad")
def pad(work: Work) -> list[Array]:
    """An array surrounded, and interspersed, by one value: where there are no gaps, only the rim is filled."""
    e, (out,), p = work.e, work.node.outputs, work.node.params
    inner, value = work.inputs
    filler = e.element(value, ())
    low, step = p["low"], p["step"]
    if small(out.shape):
        items = np.empty(out.shape, object)
        items[...] = filler
        if inner.size:
            where = tuple(slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(low, inner.shape, step, strict=True))
            items[where] = e.registers(inner).items
        return [Registers(items, out.dtype)]
    to = work.places[0] or e.allocate(out.shape, out.dtype)
    if any(s > 1 for s in step) or not inner.size:
        e.give([(Splat(out.shape, out.dtype, filler), to)])
    else:
        _fill_rim(work, to, Splat(out.shape, out.dtype, filler), inner.shape)
    if inner.size:
        e.give([(inner, to.part(low, inner.shape, step))])
    return [to]


def _fill_rim(work: Work, to: View, filler: Splat, inner: tuple[int, ...]) -> None:
    bounds = [(0, n) for n in to.shape]
    for k, (low, n) in enumerate(zip(work.node.params["low"], inner, strict=True)):
        for a, b in ((bounds[k][0], low), (low + n, bounds[k][1])):
            if b > a:
                part = [(a, b) if j == k else bounds[j] for j in range(len(bounds))]
                shape = tuple(y - x for x, y in part)
                if 0 not in shape:
                    place = to.part([x for x, _ in part], shape)
                    work.e.give([(Splat(shape, filler.dtype, filler.value), place)])
        bounds[k] = (low, low + n)
