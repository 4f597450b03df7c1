"""Matrix products: few terms in registers, the others by a function for their shape and layout."""

from __future__ import annotations

from jaxbm.kernels.program import reduce
from jaxbm.kernels.program.emit import Work, emits, small
from jaxbm.kernels.program.lazy import Array, Registers

UNROLLED, UNROLLED_SMALL = 64, 512
"""Multiplications up to which a product is written out: in general, and where both operands stand in registers."""


@emits("dot")
def dot(work: Work) -> list[Array]:
    """(batch, m, k) times (batch, n, k)."""
    (l, r), (out,) = work.inputs, work.node.outputs
    b, m, n = out.shape
    terms = b * m * n * l.shape[2]
    both_small = small(l.shape) and small(r.shape)
    if both_small and terms <= (UNROLLED_SMALL if small(out.shape) else UNROLLED):
        return [_in_registers(work, work.e.registers(l), work.e.registers(r))]
    return [_by_reduction(work, l, r)]


def _in_registers(work: Work, l: Registers, r: Registers) -> Registers:
    e, (out,) = work.e, work.node.outputs
    b, m, n = out.shape
    values = []
    for x in range(b):
        for i in range(m):
            for j in range(n):
                total = None
                for p, q in zip(l.items[x, i], r.items[x, j], strict=True):
                    product = e.compute("multiply_for_sum" if out.dtype[0] == "f" else "mul", out.dtype, [out.dtype] * 2, [p, q])
                    total = product if total is None else reduce.combine(e, "add", out.dtype, total, product)
                values.append(total)
    return Registers.of(out.shape, values, out.dtype)  # type: ignore[arg-type]


def _by_reduction(work: Work, l: Array, r: Array) -> Array:
    """Any types and layouts, at the speed of a loop over all terms."""
    e, (out,) = work.e, work.node.outputs
    full = (*out.shape, l.shape[2])
    left, right = e.broadcast(l, full, (0, 1, 3)), e.broadcast(r, full, (0, 2, 3))
    terms = e.elementwise("mul", out.dtype, [left, right])
    return reduce.reduce(e, "add", terms, (3,), work.places[0])
