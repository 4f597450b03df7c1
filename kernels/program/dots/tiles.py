"""Products by register tiles: vectors along n, some rows of m, sums kept in registers while k ascends."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.dots.arithmetic import multiply_add
from jaxbm.kernels.program.dots.pack import pack
from jaxbm.kernels.program.dots.plan import Plan
from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.values import Index, Value

Step = Callable[[Index, list[Value]], list[Value]]


class Panel(NamedTuple):
    """Columns of the right operand: the address of k = 0 and n = 0, the stride of k, and where its vectors start."""

    base: Value
    stride: int
    offsets: list[int]


class Block(NamedTuple):
    """A range of k: `depth` of them from `first` on; `more` where sums of earlier ones stand in the output."""

    first: Index
    depth: int
    more: bool


def write(f: Function, plan: Plan, left: Value, right: Value, out: Value) -> None:
    """The product of one batch entry."""
    spec = plan.spec
    width = plan.vectors * plan.lanes
    scratch = f.alloca(spec.type, min(width, spec.n) * plan.depth) if plan.pack else None
    blocks, rest = divmod(spec.k, plan.depth)

    def columns(j: Index, offsets: list[int], count: int) -> None:
        def block(k: Index, depth: int, more: bool) -> None:
            at = f.offset(right, spec.type, f.iadd(f.imul(j, spec.right[1]), f.imul(k, spec.right[2])))
            panel = Panel(at, spec.right[2], offsets)
            if scratch is not None:
                pack(f, spec.type, at, spec.right[1:], count, depth, scratch, plan.lanes)
                panel = Panel(scratch, count, offsets)
            _rows(f, plan, left, panel, f.offset(out, spec.type, f.imul(j, spec.out[2])), Block(k, depth, more))

        block(0, plan.depth, False)
        loop(f, blocks * plan.depth, lambda k, _: block(k, plan.depth, True), start=plan.depth, step=plan.depth)
        if rest:
            block(blocks * plan.depth, rest, True)

    whole = spec.n // width * width
    offsets = [v * plan.lanes for v in range(plan.vectors)]
    loop(f, whole, lambda j, _: columns(j, offsets, width), step=width)
    if whole < spec.n:
        # The last vector may overlap the one before it: the same elements get the same values twice.
        start = whole if spec.n - whole >= plan.lanes else spec.n - plan.lanes
        left_over = spec.n - start
        ends = [min(v, left_over - plan.lanes) for v in range(0, left_over, plan.lanes)]
        columns(start, ends, left_over)


def _rows(f: Function, plan: Plan, left: Value, panel: Panel, out: Value, block: Block) -> None:
    """All rows of some columns."""
    spec = plan.spec

    def rows(i: Index, count: int) -> None:
        at = f.offset(left, spec.type, f.iadd(f.imul(i, spec.left[1]), f.imul(block.first, spec.left[2])))
        _tile(f, plan, at, panel, f.offset(out, spec.type, f.imul(i, spec.out[1])), block, count)

    whole = spec.m // plan.rows * plan.rows
    loop(f, whole, lambda i, _: rows(i, plan.rows), step=plan.rows)
    if whole < spec.m:
        rows(whole, spec.m - whole)


def _tile(f: Function, plan: Plan, left: Value, panel: Panel, out: Value, block: Block, rows: int) -> None:
    """A tile's sums over the block's k, added to what the output holds where there is more than one block."""
    spec, chains = plan.spec, plan.chains
    type, vector = spec.type, spec.type.vector(plan.lanes if plan.lanes > 1 else 0)
    places = [(r, v) for r in range(rows) for v in range(len(panel.offsets))]

    def one(k: Index, sums: list[Value]) -> list[Value]:
        at = f.offset(panel.base, type, f.imul(k, panel.stride))
        row = f.offset(left, type, f.imul(k, spec.left[2]))
        columns = [f.load(at, vector, o) for o in panel.offsets]
        factors = [f.splat(f.load(row, type, r * spec.left[1]), vector.lanes) for r in range(rows)]
        return [
            multiply_add(f, spec.dtype, factors[r], columns[v], s) for (r, v), s in zip(places, sums, strict=True)
        ]

    def store(place: tuple[int, int], value: Value) -> None:
        r, v = place
        if spec.out[2] == 1 or not vector.lanes:
            f.store(value, out, r * spec.out[1] + panel.offsets[v] * spec.out[2])
            return
        for q, lane in enumerate(f.unpack(value)):
            f.store(lane, out, r * spec.out[1] + (panel.offsets[v] + q) * spec.out[2])

    def start(place: tuple[int, int]) -> Value:
        r, v = place
        if not block.more:
            return f.constant(vector, 0)
        if spec.out[2] == 1 or not vector.lanes:
            return f.load(out, vector, r * spec.out[1] + panel.offsets[v] * spec.out[2])
        at = [r * spec.out[1] + (panel.offsets[v] + q) * spec.out[2] for q in range(vector.lanes)]
        return f.pack([f.load(out, type, o) for o in at])

    sums = [start(place) for place in places]
    if chains > 1:
        sums = _in_parts(f, spec.dtype, one, sums, block.depth, chains)
    else:
        sums = _ascending(f, one, sums, block.depth, 1 if len(places) > 8 else 2)
    # Overlapping vectors: all are computed before any is stored, since the output may hold earlier sums.
    for place, value in zip(places, sums, strict=True):
        store(place, value)


def _ascending(f: Function, one: Step, sums: list[Value], count: int, unroll: int) -> list[Value]:
    """sums after all k, `unroll` of them between two tests of the loop."""
    if count <= 4:
        unroll = count

    def several(k: Index, carry: list[Value]) -> list[Value]:
        for q in range(unroll):
            carry = one(f.iadd(k, q), carry)
        return carry

    whole = count // unroll * unroll
    sums = loop(f, whole, several, sums, step=unroll)
    for k in range(whole, count):
        sums = one(k, sums)
    return sums


def _in_parts(f: Function, dtype: str, one: Step, sums: list[Value], count: int, chains: int) -> list[Value]:
    """The same by several chains, which k takes by turns; they are added at the end."""
    n = len(sums)
    zero = f.constant(sums[0].type, 0)

    def several(k: Index, carry: list[Value]) -> list[Value]:
        return [v for q in range(chains) for v in one(f.iadd(k, q), carry[q * n : (q + 1) * n])]

    whole = count // chains * chains
    parts = loop(f, whole, several, sums + [zero] * (n * (chains - 1)), step=chains)
    for k in range(whole, count):
        q = k - whole
        parts[q * n : (q + 1) * n] = one(k, parts[q * n : (q + 1) * n])
    while len(parts) > n:
        half = len(parts) // (2 * n) * n
        rest = parts[2 * half :]
        parts = [a + b for a, b in zip(parts[:half], parts[half : 2 * half], strict=True)] + rest
    return parts
