"""Elementwise consumers of a product beside its multiply-adds: an optimizer's step beside the weights' gradient.

What reads a product element by element (Adam, say, a weight's gradient) isn't computed after it in a pass of its own:
while a tile's sums are formed, the tile before it is consumed, some vectors at each step. Divisions and square roots,
for which multiply-adds would wait otherwise, take little time of their own then, and the gradient is never written.

A product over the rows of a batch waits, when it is written, for what reads it first. Where that is a loop over its
elements in the order in which they stand, both are written here; everything else has it computed as others are.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jaxbm.kernels.program import control, dots, nests, waiting
from jaxbm.kernels.program.arithmetic import COST
from jaxbm.kernels.program.dots.arithmetic import multiply_add
from jaxbm.kernels.program.dots.pack import pack
from jaxbm.kernels.program.elements import register_type
from jaxbm.kernels.program.interleave import interleaved
from jaxbm.kernels.program.lazy import Affine, Array, Expr, View
from jaxbm.kernels.program.place import Buffer
from jaxbm.kernels.program.types import I64
from jaxbm.kernels.program.values import Index, Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.emitter import Emitter

Step = Callable[[Index, list[Value]], list[Value]]
SUMS = 0.5
"""The share of registers that hold sums; the consumer needs some, too."""
NEAR_BYTES = 256 * 1024
"""Of arrays from which on they are fetched before they are read: rows of a tile stand apart."""
FAR_BYTES, MUCH = 2 * 1024 * 1024, 15
"""Of arrays that don't stay in the second level, and operations in divisions and roots that outweigh that."""
AHEAD = 4
"""Tiles by which they are."""
AT_ONCE = 2
"""Terms of each sum that are added beside one row of the tile before."""
WIDE = 64
"""Bytes of a vector from which on there are registers enough for both: with 16 of half the size a step of
20-64-32-1 took 12% longer, one of 784-128-10 23%."""
FEWEST, TILES = 4, 6
"""Rows of a tile, and tiles, from which on it pays."""


class Tiling(NamedTuple):
    """A product with vectors along n, a tile's rows, each a vector of so many lanes, whether columns are copied."""

    spec: dots.Spec
    rows: int
    lanes: int
    pack: bool


def may_wait(spec: dots.Spec) -> bool:
    """Whether a product is over the leading axis of both operands, as a weight's gradient is, and fit for tiles."""
    return spec.left[1] == 1 and spec.right[1] == 1 and tiling(spec, dots.host()) is not None


@functools.cache
def tiling(spec: dots.Spec, target: dots.Target) -> Tiling | None:
    """The largest tiles that leave no rest; None where there are none."""
    spec = spec if spec.out[2] == 1 else spec.swapped
    if (
        target.vector_bytes < WIDE
        or spec.dtype not in ("float32", "float64")
        or spec.batch != 1
        or spec.out[1:] != (spec.n, 1)
    ):
        return None
    lanes, most = target.vector_bytes // spec.type.itemsize, int(SUMS * target.registers)
    fitting = [r for r in range(FEWEST, min(spec.m, spec.k, most) + 1) if spec.m % r == 0]
    if not fitting or spec.n % lanes or spec.m * spec.n < TILES * fitting[-1] * lanes:
        return None
    return Tiling(spec, fitting[-1], lanes, dots.is_large(spec, fitting[-1]))


def parts(pairs: Sequence[tuple[Array, View | None]]) -> list[list[int]]:
    """Which arrays to compute in one loop nest: those that read the same products, where that makes no difference."""
    reads = [nests.below([root])[0] for root, _ in pairs]
    groups: list[tuple[set[int], list[int]]] = []
    for k, order in enumerate(reads):
        own = {id(buffer) for buffer in waiting.among(order)}
        joined = [g for g in groups if g[0] & own or (not own and not g[0])]
        groups = [g for g in groups if g not in joined]
        groups.append((own.union(*(g[0] for g in joined)), [*itertools.chain(*(g[1] for g in joined)), k]))
    for _, members in groups:
        written = {id(d.buffer) for k in members if (d := pairs[k][1]) is not None}
        others = [x for k in range(len(pairs)) if k not in members for x in (*reads[k], *waiting.operands(reads[k]))]
        if any(isinstance(x, View) and id(x.buffer) in written for x in others):
            return [list(range(len(pairs)))]
    return [members for _, members in groups]


def written(
    e: Emitter, order: Sequence[Array], degree: Mapping[int, int], targets: Sequence[tuple[Array, View]]
) -> bool:
    """Compute the products that wait among these arrays; where the targets could be with the last, say that they are.

    Args:
      order: all that is read for the targets, operands first.
      degree: by identity how many of these read each.
      targets: what is to be computed, and where it is to stand.
    """
    products = waiting.among(order)
    if not products:
        return False
    for buffer in products[:-1]:
        waiting.finish(e, buffer)
    both = _Beside(e, products[-1], order, targets)
    if not both.is_possible(degree):
        waiting.finish(e, products[-1])
        return False
    products[-1].pending = None
    both.write()
    return True


class _Beside:
    """The loops of one product and of what is computed from it."""

    def __init__(
        self, e: Emitter, buffer: Buffer, order: Sequence[Array], targets: Sequence[tuple[Array, View]]
    ) -> None:
        assert buffer.pending is not None
        self.e, self.order, self.targets, self.pending = e, order, targets, buffer.pending
        found = tiling(self.pending.spec, dots.host())
        assert found is not None
        self.tiling = found
        self.own = [x for x in order if isinstance(x, View) and x.buffer is buffer]

    def is_possible(self, degree: Mapping[int, int]) -> bool:
        """Whether all is read and written in the order of the product's elements, and nobody else needs these."""
        leaves = [x for x in self.order if isinstance(x, View | Affine)]
        if len(self.own) != self.own[0].buffer.views or any(isinstance(x, Affine) for x in leaves):
            return False
        if self.tiling.lanes != nests.lanes_for(self.e, self.order, self.tiling.lanes):
            return False
        places = [*leaves, *(d for _, d in self.targets)]
        if any(x.buffer is d.buffer for x in self.pending.operands for _, d in self.targets):
            return False
        size, layout = self.tiling.spec.m * self.tiling.spec.n, _along(self.own[0])
        if self.own[0].size != size or any(_along(x) != layout for x in places):
            return False
        if sum(x.buffer.nbytes for x in leaves if isinstance(x, View)) > FAR_BYTES:
            # Memory is what such a pass waits for, and it is faster in order, unless there is much to compute.
            dear = [COST.get(x.op, 1) for x in self.order if isinstance(x, Expr)]
            if sum(cost for cost in dear if cost >= COST["div"]) < MUCH:
                return False
        have, touched = {id(r) for r, _ in self.targets}, {id(x) for x in self.own}
        for x in self.order:
            if isinstance(x, Expr) and any(id(a) in touched for a in x.args):
                touched.add(id(x))
                if id(x) not in have and x.uses > degree.get(id(x), 0):
                    return False
        return True

    def write(self) -> None:
        """Write the loops."""
        e, f, t, spec = self.e, self.e.f, self.tiling, self.tiling.spec
        left, right = (waiting.address(e, x) for x in self.pending.operands)
        if spec != self.pending.spec:
            left, right = right, left
        shape, strides = self.own[0].shape, self.own[0].strides
        inner = next(d for d, n in enumerate(shape) if n > 1 and strides[d] == 1)
        self.reader = nests.Reader(e, self.order, inner, [])
        self.bases = [nests.place(e, d, []) for _, d in self.targets]
        read = {(id(x.buffer), x.offset): x for x in self.order if isinstance(x, View) and x not in self.own}
        self.distant = list(read.values()) if sum(x.buffer.nbytes for x in read.values()) > NEAR_BYTES else []
        self.tile = f.alloca(spec.type, t.rows * t.lanes)
        right, along, across = self._panels(right)

        def tile(i: Index, j: Index, before: Value) -> Index:
            at, here = f.offset(right, spec.type, f.imul(j, across)), f.iadd(f.imul(i, spec.n), j)
            step = functools.partial(self._step, f.offset(left, spec.type, f.imul(i, spec.left[1])), at, along)
            zero = [f.constant(spec.type.vector(t.lanes), 0)] * t.rows
            sums = control.choose(
                f, before.lt(0), lambda: self._alone(step, zero), lambda: self._beside(step, before, here, zero)
            )
            for q, value in enumerate(sums):
                f.store(value, self.tile, q * t.lanes)
            return here

        def columns(i: Index, carry: list[Value]) -> list[Value]:
            # Along the rows, in which what is read and written beside the product stands.
            return control.loop(f, spec.n, lambda j, c: [f.index(tile(i, j, *c))], carry, step=t.lanes)

        (last,) = control.loop(f, spec.m, columns, [f.constant(I64, -1)], step=t.rows)
        control.loop(f, t.rows, lambda r, _: self._consume(last, r, None))

    def _panels(self, right: Value) -> tuple[Value, int, int]:
        """The right operand as tiles read it, and its strides: if it is large, a copy, panel by panel."""
        f, t, spec = self.e.f, self.tiling, self.tiling.spec
        if not t.pack:
            return right, spec.right[2], 1
        self.copy = self.e.allocate((spec.n, spec.k), spec.dtype)  # nobody else's place for as long as this lives
        copy = self.copy.buffer.pointer()

        def panel(j: Index) -> None:
            to = f.offset(copy, spec.type, f.imul(j, spec.k))
            pack(f, spec.type, f.offset(right, spec.type, j), spec.right[1:], t.lanes, spec.k, to, t.lanes)

        control.loop(f, spec.n, lambda j, _: panel(j), step=t.lanes)
        return copy, t.lanes, spec.k

    def _step(self, left: Value, right: Value, stride: int, k: Index, sums: list[Value]) -> list[Value]:
        """One more term of each sum."""
        f, t, spec = self.e.f, self.tiling, self.tiling.spec
        at, row = f.offset(right, spec.type, f.imul(k, stride)), f.offset(left, spec.type, f.imul(k, spec.left[2]))
        column = f.load(at, spec.type.vector(t.lanes))
        factors = [f.splat(f.load(row, spec.type, r * spec.left[1]), t.lanes) for r in range(t.rows)]
        return [multiply_add(f, spec.dtype, a, column, s) for a, s in zip(factors, sums, strict=True)]

    def _alone(self, step: Step, sums: list[Value], start: int = 0) -> list[Value]:
        return control.loop(self.e.f, self.tiling.spec.k, step, sums, start=start)

    def _beside(self, step: Step, before: Value, here: Index, sums: list[Value]) -> list[Value]:
        """A tile's sums, and meanwhile what is computed from the tile before; what this tile will need is fetched."""
        f, t = self.e.f, self.tiling
        count = min(AT_ONCE, t.spec.k // t.rows)

        def several(k: Index, sums: list[Value]) -> list[Value]:
            for q in range(count):
                sums = step(f.iadd(k, q), sums)
            return sums

        def row(r: Index, sums: list[Value]) -> list[Value]:
            for x in self.distant:
                at = f.iadd(f.iadd(nests.place(self.e, x, []), AHEAD * t.lanes), f.iadd(here, f.imul(r, t.spec.n)))
                f.prefetch(f.offset(x.buffer.pointer(), register_type(x.dtype), at))
            return self._consume(before, r, functools.partial(several, f.imul(r, count), sums))

        return self._alone(step, control.loop(f, t.rows, row, sums), count * t.rows)

    def _consume(self, first: Value, r: Index, meanwhile: Callable[[], list[Value]] | None) -> list[Value]:
        """What is computed from one row of the tile whose first element stands there, and of other code meanwhile."""
        f, t = self.e.f, self.tiling
        at = f.iadd(first, f.imul(r, t.spec.n))

        def compute() -> list[Value]:
            value = f.load(self.tile, t.spec.type.vector(t.lanes), f.imul(r, t.lanes))
            # The divider has nothing else to do, and products would be in the way of those of the matrices.
            get = self.reader.read(at, t.lanes, dict.fromkeys(map(id, self.own), value), plainly=True)
            return [get(x) for x, _ in self.targets]

        *sums, results = interleaved(f, [compute] if meanwhile is None else [meanwhile, compute])
        for value, base, (_, d) in zip(results, self.bases, self.targets, strict=True):
            self.e.store(value, d, f.iadd(base, at))
        return sums[0] if sums else []


def _along(x: View | Affine) -> list[int]:
    return [s for n, s in zip(x.shape, x.strides, strict=True) if n > 1]
