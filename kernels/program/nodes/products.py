"""Matrix products: few terms in registers, the others by a function for their shape and layout."""

from __future__ import annotations

from jaxbm.kernels.program import beside, dots, invariant, reduce, waiting
from jaxbm.kernels.program.elements import is_float
from jaxbm.kernels.program.emit import Work, emits, small
from jaxbm.kernels.program.lazy import Array, Registers

UNROLLED, UNROLLED_SMALL = 64, 512
"""Multiplications up to which a product is written out: in general, and where both operands stand in registers."""


@emits("dot")
def dot(work: Work) -> list[Array]:
    """(batch, m, k) times (batch, n, k)."""
    e, (l, r), (out,) = work.e, work.inputs, work.node.outputs
    b, m, n = out.shape
    terms = b * m * n * l.shape[2]
    both_small = small(l.shape) and small(r.shape)
    if both_small and terms <= (UNROLLED_SMALL if small(out.shape) else UNROLLED):
        return [_in_registers(work, e.registers(l), e.registers(r))]
    relaid = work.writer.relaid
    return [_by_function(work, *(invariant.operand(e, work.node, k, a, relaid) for k, a in enumerate((l, r))))]


def _in_registers(work: Work, l: Registers, r: Registers) -> Registers:
    e, (out,) = work.e, work.node.outputs
    b, m, n = out.shape
    times = "multiply_for_sum" if is_float(out.dtype) else "mul"
    values = []
    for x in range(b):
        for i in range(m):
            for j in range(n):
                total = None
                for p, q in zip(l.items[x, i], r.items[x, j], strict=True):
                    product = e.compute(times, out.dtype, [out.dtype] * 2, [p, q])
                    total = product if total is None else reduce.combine(e, "add", out.dtype, total, product)
                values.append(total)
    return Registers.of(out.shape, values, out.dtype)  # type: ignore[arg-type]


def _by_function(work: Work, l: Array, r: Array) -> Array:
    e, (out,) = work.e, work.node.outputs
    left, right = e.memory(l), e.memory(r)
    b, m, n = out.shape
    strides = (m * n, 1, m) if out in work.writer.by_columns else None
    to = work.places[0] or e.allocate(out.shape, out.dtype, strides)
    (l0, l1, l2), (r0, r1, r2), (o0, o1, o2) = left.strides, right.strides, to.strides
    spec = dots.Spec(out.dtype, b, m, n, l.shape[2], (l0, l1, l2), (r0, r1, r2), (o0, o1, o2))
    if work.places[0] is None and e.level and beside.may_wait(spec):
        to.buffer.pending = waiting.Pending(spec, (left, right), e.level)
        return to
    waiting.multiply(e, spec, left, right, to)
    return e.registers(to) if small(out.shape) else to
