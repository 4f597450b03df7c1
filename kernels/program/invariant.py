"""Operands of products that a loop doesn't change, or that are known: laid out once as the products read them.

A product whose operand lies across its vectors copies it first, each time; this does so before the loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from jaxbm.kernels.program import dots
from jaxbm.kernels.program.ir import Const, Node, Value
from jaxbm.kernels.program.lazy import Array, Registers, Shape, View, is_few, resolved, row_major

if TYPE_CHECKING:
    from jaxbm.kernels.program.emitter import Emitter

WORTH = 0.9
"""The share of a product's estimated time below which another layout of an operand is worth a copy."""
PASSES = 4
"""Passes of a loop from which on a copy before it pays."""


def better_strides(node: Node, k: int, strides: Shape) -> Shape | None:
    """Strides (batch, row, k) with which a product reads its k-th operand much faster than with these, if any.

    Everything else about the product is taken to be in row-major order.
    """
    l, r = (v.shape for v in node.inputs)
    b, m, n = node.outputs[0].shape
    spec = dots.contiguous(node.outputs[0].dtype, b, m, n, l[2])
    batch, rows, depth = (l, r)[k]
    if 0 in (b, m, n, l[2]) or any(s == 0 and d > 1 for s, d in zip(strides, (batch, rows, depth), strict=True)):
        return None

    def cycles(option: Shape) -> float:
        x, y, z = option
        changed = spec._replace(left=(x, y, z)) if k == 0 else spec._replace(right=(x, y, z))
        return dots.cycles(changed, dots.host())

    options = [(rows * depth, 1, rows), (rows * depth, depth, 1)]
    best = min(options, key=cycles)
    return best if cycles(best) < WORTH * cycles(strides) else None


def relay(e: Emitter, env: Mapping[Value, Array], node: Node, done: Mapping[Value, View]) -> dict[Value, View]:
    """Copies, made here, of what products within a loop read: where it isn't few and another layout is better."""
    out: dict[Value, View] = {}
    if node.op == "scan" and node.params["length"] < PASSES:
        return out
    for block in node.blocks:
        for _, inner in block.walk():
            if inner.op != "dot":
                continue
            for k, v in enumerate(inner.inputs):
                array = resolved(env[v]) if v in env and v not in out and v not in done else None
                if not isinstance(array, View) or is_few(v.shape):
                    continue
                strides = better_strides(inner, k, array.strides)
                if strides is not None:
                    out[v] = e.allocate(v.shape, v.dtype, strides)
                    e.copy_to(array, out[v])
    return out


def operand(e: Emitter, node: Node, k: int, array: Array, relaid: Mapping[Value, View]) -> Array:
    """A product's k-th operand, as it was laid out before the loop, or is by this compiler if it is known."""
    v = node.inputs[k]
    if v in relaid:
        return relaid[v]
    if type(v) is not Const or isinstance(array, Registers) or not isinstance(array, View):
        return array
    strides = better_strides(node, k, array.strides)
    if strides is None or strides == row_major(v.shape):
        return array
    swapped = e.known(np.ascontiguousarray(v.array.swapaxes(1, 2)), v.dtype)
    assert isinstance(swapped, View)
    return View(v.shape, v.dtype, swapped.buffer, strides=strides)
