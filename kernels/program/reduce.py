"""Reductions along axes, fused with the expression that is reduced.

Where the inner loop runs along a reduced axis, several vectors of partial results are kept; where it runs along a
kept one, a block of results stays in registers while the others go by. Sums are reordered and use multiply-adds; the
order depends on shapes alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from jaxbm.kernels.program import control, loops, nests, waiting
from jaxbm.kernels.program.arithmetic import identity
from jaxbm.kernels.program.elements import is_float, is_unsigned
from jaxbm.kernels.program.interleave import interleaved
from jaxbm.kernels.program.lazy import Affine, Array, Expr, Registers, Shape, Splat, View, is_few, resolved, row_major
from jaxbm.kernels.program.loops import Indices, Reader
from jaxbm.kernels.program.values import Index, Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.emitter import Emitter

_Step = Callable[[Reader, list[Value]], list[Value]]
UNROLL = 4
"""Vectors of partial results along a reduced axis, for the latency of an addition."""
SHORT = 4
"""Elements up to which a reduced axis is a point's coordinates."""
MUCH = 1 << 30
"""Of computing, without limit: code of as many vectors is written anyhow."""
BLOCK = 8
"""Vectors of results kept in registers along a kept axis."""


def combine(e: Emitter, kind: str, dtype: str, a: Value, b: Value) -> Value:
    """One step of a reduction."""
    return e.compute("add_to_sum" if kind == "add" else kind, dtype, [dtype, dtype], [a, b])


def across(e: Emitter, kind: str, dtype: str, vector: Value) -> Value:
    """All lanes of a vector combined."""
    if not vector.type.lanes:
        return vector
    f, scalar = e.f, vector.type.scalar
    attributes = "nounwind memory(none)"
    suffix = vector.type.suffix
    if is_float(dtype) and kind in ("add", "mul"):
        start = e.constant(dtype, -0.0 if kind == "add" else 1.0)
        name = f"llvm.vector.reduce.f{kind}.{suffix}"
        f.module.declare(name, scalar, [scalar, vector.type], attributes)
        text = f"call reassoc {scalar.text} @{name}({scalar.text} {start.text}, {vector.type.text} {vector.text})"
        return f.pure(text, scalar)
    if is_float(dtype):
        name = f"f{kind}imum"
    elif dtype == "bool":
        name = {"max": "or", "min": "and"}.get(kind, kind)
    else:
        name = ("u" if is_unsigned(dtype) else "s") + kind if kind in ("max", "min") else kind
    return f.call(f"llvm.vector.reduce.{name}.{suffix}", scalar, [vector], attributes=attributes, pure=True)


def reduce(e: Emitter, kind: str, array: Array, axes: Sequence[int], dest: View | None = None) -> Array:
    """The reduction of an array over some axes."""
    array = resolved(array)
    kept = [d for d in range(len(array.shape)) if d not in axes]
    shape = tuple(array.shape[d] for d in kept)
    if array.size == 0:
        neutral = e.constant(array.dtype, identity(kind, array.dtype))
        return e.broadcast(Registers.of((), [neutral], array.dtype), shape, ())
    if isinstance(array, Registers):
        return _in_registers(e, kind, array, kept, axes, shape)
    if isinstance(array, Splat) or (isinstance(array, Expr) and array.uses > 1 and array.cost >= loops.SHARED):
        array = e.memory(array)
    return _Reduction(e, kind, _contractible(array, kind), axes, kept, dest).run()


def _contractible(array: Array, kind: str) -> Array:
    """A product that is summed may become a part of a multiply-add."""
    if kind == "add" and isinstance(array, Expr) and is_float(array.dtype):
        if array.op == "mul":
            return Expr(array.shape, array.dtype, "multiply_for_sum", {}, array.args)
        if array.op == "square":
            return Expr(array.shape, array.dtype, "multiply_for_sum", {}, [array.args[0], array.args[0]])
    return array


def _in_registers(
    e: Emitter, kind: str, array: Registers, kept: Sequence[int], axes: Sequence[int], shape: Shape
) -> Registers:
    """Pairwise, element by element."""
    out = []
    for row in array.items.transpose([*kept, *axes]).reshape(math.prod(shape), -1):
        values = list(row)
        while len(values) > 1:
            pairs = [values[k : k + 2] for k in range(0, len(values), 2)]
            values = [combine(e, kind, array.dtype, *p) if len(p) == 2 else p[0] for p in pairs]
        out.append(values[0])
    return Registers.of(shape, out, array.dtype)


def _across_points(
    shape: Shape, ordered: list[int], kept: Sequence[int], leaves: Sequence[View | Affine], lanes: int
) -> list[int]:
    """The axes with vectors along the longest kept one where few coordinates of many points are reduced: their sum
    within a vector takes longer than the terms."""
    longest = max((d for d in ordered if d in kept), key=lambda d: (shape[d], d), default=None)
    if longest is None or ordered[-1] in kept or shape[ordered[-1]] > SHORT or shape[longest] < SHORT or lanes <= 2:
        return ordered
    if any(not 0 <= x.strides[longest] <= nests.NEAR or x.dtype == "bool" for x in leaves):
        return ordered
    return [*(d for d in ordered if d != longest), longest]


class _Reduction:
    """One reduction while its loops are written."""

    def __init__(
        self, e: Emitter, kind: str, array: Array, axes: Sequence[int], kept: Sequence[int], dest: View | None
    ) -> None:
        self.e, self.kind, self.array, self.dtype = e, kind, array, array.dtype
        self.shape = tuple(array.shape[d] for d in kept)
        self.order, _ = loops.below([array])
        for buffer in waiting.among(self.order):
            waiting.finish(e, buffer)
        leaves = [x for x in self.order if isinstance(x, View | Affine)]
        ordered = loops.axis_order(array.shape, [(1.0, x.strides) for x in leaves if isinstance(x, View)])
        self.few = is_few(self.shape)
        self.lanes = loops.lanes_for(e, self.order)
        if not self.few and ordered:
            ordered = _across_points(array.shape, ordered, kept, leaves, self.lanes)
        self.results: dict[int, Value] = {}
        if self.few:
            out_strides = row_major(self.shape)
            self.out = None
        else:
            self.out = dest if dest is not None else e.allocate(self.shape, self.dtype)
            out_strides = self.out.strides
        self.out_strides = dict(zip(kept, out_strides, strict=True))
        self.inner = ordered[-1] if ordered else None
        outer_kept = [d for d in ordered[:-1] if d in self.out_strides]
        outer_reduced = [d for d in ordered[:-1] if d not in self.out_strides]
        strides = [x.strides for x in leaves]
        if self.inner is not None and self.inner not in self.out_strides:
            dims = loops.merged([*outer_reduced, self.inner], array.shape, strides)
            self.reduced, (self.n, self.inner) = dims[:-1], dims[-1]
        else:
            self.reduced = loops.merged(outer_reduced, array.shape, strides)
            self.n = array.shape[self.inner] if self.inner is not None else 1
        if self.few:
            self.kept = [(array.shape[d], d) for d in outer_kept]
        else:
            of_out = tuple(self.out_strides.get(d, 0) for d in range(len(array.shape)))
            self.kept = loops.merged(outer_kept, array.shape, [*strides, of_out])

    def run(self) -> Array:
        along_reduced = self.inner is None or self.inner not in self.out_strides
        body = self._along_reduced if along_reduced else self._along_kept
        if not self.few:
            loops.nest(self.e, self.kept, body)
            assert self.out is not None
            return self.out
        for index in itertools.product(*(range(n) for n, _ in self.kept)):
            body([(d, i) for (_, d), i in zip(self.kept, index, strict=True)])
        count = len(self.results)
        return Registers.of(self.shape, [self.results[k] for k in range(count)], self.dtype)

    def _put(self, outer: Indices, at: Index, value: Value) -> None:
        f = self.e.f
        stride = 0 if self.inner is None else self.out_strides.get(self.inner, 0)
        index = f.imul(at, stride)
        for d, i in outer:
            index = f.iadd(index, f.imul(i, self.out_strides[d]))
        parts = f.unpack(value)
        if self.few:
            assert isinstance(index, int)
            self.results.update({index + k * stride: part for k, part in enumerate(parts)})
            return
        assert self.out is not None
        index = f.iadd(f.iadd(index, self.out.offset), self.out.dynamic)
        if stride == 1 or not value.type.lanes:
            self.e.store(value, self.out, index)
        else:
            for k, part in enumerate(parts):
                self.e.store(part, self.out, f.iadd(index, k * stride))

    def _start(self, lanes: int) -> Value:
        return self.e.f.splat(self.e.constant(self.dtype, identity(self.kind, self.dtype)), lanes)

    def _combine(self, a: Value, b: Value) -> Value:
        return combine(self.e, self.kind, self.dtype, a, b)

    def _added(self, sums: Sequence[Value], reader: Reader, pieces: Sequence[tuple[Index, int]]) -> list[Value]:
        """Each of the sums with one more vector, at a place and of so many lanes, some of these computed by turns."""

        def value(piece: tuple[Index, int]) -> Value:
            return reader.read(*piece)(self.array)

        k, values = reader.at_once(self.lanes, MUCH), []
        for at in range(0, len(pieces), k):
            values += interleaved(self.e.f, [partial(value, piece) for piece in pieces[at : at + k]])
        return [self._combine(a, b) for a, b in zip(sums, values, strict=True)]

    def _over_reduced(
        self, outer: Indices, carry: list[Value], step: _Step, depth: int = 0, inner: Indices | None = None
    ) -> list[Value]:
        """carry = step(reader, carry) over all outer reduced axes."""
        inner = inner or []
        if depth == len(self.reduced):
            return step(Reader(self.e, self.order, self.inner, [*outer, *inner]), carry)
        n, d = self.reduced[depth]
        return control.loop(
            self.e.f, n, lambda i, c: self._over_reduced(outer, c, step, depth + 1, [*inner, (d, i)]), carry
        )

    def _along_reduced(self, outer: Indices) -> None:
        e, n = self.e, self.n
        lanes = min(self.lanes, n) if self.lanes > 1 else 1
        width = lanes if lanes > 1 else 0
        unroll = UNROLL if n >= UNROLL * lanes else 1
        rest = n % lanes
        tail = rest if rest > 1 else 0

        def step(reader: Reader, carry: list[Value]) -> list[Value]:
            wide, narrow = carry[:unroll], carry[unroll:]

            def body(i: Index, c: list[Value]) -> list[Value]:
                at = [e.f.iadd(i, u * lanes) for u in range(unroll)]
                return self._added(c, reader, [(x, width) for x in at])

            whole = n // (unroll * lanes) * unroll * lanes
            wide = control.loop(e.f, whole, body, wide, step=unroll * lanes)
            for at in range(whole, n - rest, lanes):
                wide = [self._combine(wide[0], reader.read(at, width)(self.array)), *wide[1:]]
            if rest:
                narrow = [self._combine(narrow[0], reader.read(n - rest, tail)(self.array))]
            return [*wide, *narrow]

        start = [self._start(width)] * unroll + ([self._start(tail)] if rest else [])
        out = self._over_reduced(outer, start, step)
        total = out[0]
        for part in out[1:unroll]:
            total = self._combine(total, part)
        total = across(e, self.kind, self.dtype, total)
        if rest:
            total = self._combine(total, across(e, self.kind, self.dtype, out[-1]))
        self._put(outer, 0, total)

    def _along_kept(self, outer: Indices) -> None:
        e, n, lanes = self.e, self.n, self.lanes

        def block(at: Index, pieces: Sequence[tuple[int, int]]) -> None:
            def step(reader: Reader, carry: list[Value]) -> list[Value]:
                return self._added(carry, reader, [(e.f.iadd(at, place), width) for place, width in pieces])

            out = self._over_reduced(outer, [self._start(width) for _, width in pieces], step)
            for value, (where, _) in zip(out, pieces, strict=True):
                self._put(outer, e.f.iadd(at, where), value)

        width = lanes if lanes > 1 else 0
        whole = 0
        if not self.few and n >= 2 * BLOCK * lanes:
            whole = n // (BLOCK * lanes) * BLOCK * lanes
            pieces = [(k * lanes, width) for k in range(BLOCK)]
            control.loop(e.f, whole, lambda i, _: block(i, pieces), step=BLOCK * lanes)
        rest = [(at, width) for at in range(whole, n - lanes + 1, lanes)]
        left = (n - whole) % lanes
        if left:
            rest.append((n - left, left if left > 1 else 0))
        for k in range(0, len(rest), BLOCK):
            block(0, rest[k : k + BLOCK])
