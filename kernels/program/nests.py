"""Loop nests and what is read in them: which axis is the inner one, which are merged, and vectors along it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxbm.kernels.program import control, division, elements
from jaxbm.kernels.program.arithmetic import COST
from jaxbm.kernels.program.elements import itemsize
from jaxbm.kernels.program.lazy import Affine, Array, Expr, Shape, Splat, View, resolved
from jaxbm.kernels.program.types import I64
from jaxbm.kernels.program.values import Index, Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.emitter import Emitter

Indices = list[tuple[int, Index]]
"""The loops around: an axis and its index for each."""
NEAR = 4
"""Elements apart up to which vectors are read whole and what is needed is chosen from them."""
DEAR, STRIDED = 30, 1.5
"""Operations on an element from which on it matters how full vectors are, and what an access out of order takes."""
CHAINS = frozenset(op for op, cost in COST.items() if cost >= 15)
"""Long chains of dependent operations."""
AT_ONCE, ROOM = 4, 440
"""Vectors that are computed by turns where each is a long chain, and how much of `COST` they all may have."""
LONG = 8
"""Vectors of a loop from which on the widest are used, although there is a remainder."""


def below(roots: Sequence[Array]) -> tuple[list[Array], dict[int, int]]:
    """Everything that the roots read, operands first, and by identity how many of it read each."""
    order: list[Array] = []
    degree: dict[int, int] = {}
    seen: set[int] = set()

    def go(x: Array) -> None:
        if id(x) in seen:
            return
        seen.add(id(x))
        if isinstance(x, Expr):
            x.args = [resolved(a) for a in x.args]
            for a in x.args:
                go(a)
                degree[id(a)] = degree.get(id(a), 0) + 1
        order.append(x)

    for root in roots:
        go(root)
    return order, degree


def axis_order(shape: Shape, rows: Sequence[tuple[float, Shape]], cost: float = 0.0, lanes: int = 1) -> list[int]:
    """Axes longer than 1, the one to vectorise last. `rows` are the strides of what is accessed, with weights.

    Where an element costs much, its `cost` is shared by as many of `lanes` as there are elements along the axis.
    """
    axes = [d for d in range(len(shape)) if shape[d] > 1]
    if not axes:
        return []

    def score(d: int) -> float:
        by_stride = {1: 1.0, 0: 0.3, -1: -0.2}
        return sum(w * by_stride.get(s[d], -1.0) for w, s in rows) + (0 if shape[d] >= 4 else -1.5)

    def time(d: int) -> float:
        return cost * -(-shape[d] // lanes) / shape[d] + sum(w * STRIDED for w, s in rows if s[d] not in (0, 1, -1))

    inner = max(axes, key=lambda d: (score(d), d))
    if cost >= DEAR:
        faster = min(axes, key=lambda d: (time(d), -d))
        inner = faster if time(faster) < 0.7 * time(inner) else inner
    return [*(d for d in axes if d != inner), inner]


def merged(axes: Sequence[int], shape: Shape, strides: Sequence[Shape]) -> list[tuple[int, int]]:
    """Adjacent axes that one loop can run over, as (length, axis whose strides hold)."""
    out: list[tuple[int, int]] = []
    for d in axes:
        if out and all(s[out[-1][1]] == s[d] * shape[d] for s in strides):
            out[-1] = (out[-1][0] * shape[d], d)
        else:
            out.append((shape[d], d))
    return out


def nest(
    e: Emitter, axes: Sequence[tuple[int, int]], body: Callable[[Indices], Any], outer: Indices | None = None
) -> None:
    """Loops over (length, axis), outermost first, around the body."""
    outer = outer or []
    if not axes:
        body(outer)
        return
    (n, d), rest = axes[0], axes[1:]
    control.loop(e.f, n, lambda i, _: nest(e, rest, body, [*outer, (d, i)]))


class Reader:
    """Values of expressions within a loop nest: what doesn't vary along the inner axis is computed before it."""

    def __init__(self, e: Emitter, order: Sequence[Array], inner: int | None, outer: Indices) -> None:
        self._e, self._order, self._inner = e, order, inner
        self._varies: dict[int, bool] = {}
        self._fixed: dict[int, Value] = {}
        self._base: dict[int, Index] = {}
        self._divisors: dict[int, division.Divisor] = {}
        for x in order:
            self._prepare(x, outer)

    def _prepare(self, x: Array, outer: Indices) -> None:
        e = self._e
        if isinstance(x, Splat):
            self._varies[id(x)] = False
            self._fixed[id(x)] = x.value
        elif isinstance(x, Expr):
            varies = any(self._varies[id(a)] for a in x.args)
            self._varies[id(x)] = varies
            if not varies:
                args = [self._fixed[id(a)] for a in x.args]
                self._fixed[id(x)] = e.compute(x.op, x.dtype, [a.dtype for a in x.args], args, x.params)
            elif x.op == "div" and e.wide_bytes >= division.BYTES and x.dtype in ("float32", "float64"):
                fixed = self._fixed.get(id(x.args[1]))
                if fixed is not None and division.is_worth_it(fixed):
                    self._divisors[id(x)] = division.divisor(fixed)
        else:
            assert isinstance(x, View | Affine)
            varies = self._inner is not None and x.strides[self._inner] != 0
            self._varies[id(x)] = varies
            base = place(e, x, outer)
            self._base[id(x)] = base
            if not varies:
                self._fixed[id(x)] = e.load(x, base) if isinstance(x, View) else _as_element(e, base, x.dtype)

    def at_once(self, lanes: int, room: int = ROOM) -> int:
        """How many vectors of so many lanes are to be computed by turns; `room` limits the code."""
        cost = sum(COST[x.op] for x in self._order if self._varies[id(x)] and isinstance(x, Expr) and x.op in CHAINS)
        # Division by products has branches.
        return max(1, min(AT_ONCE, room // cost)) if cost and lanes > 1 and not self._divisors else 1

    def read(
        self, i: Index, lanes: int, given: Mapping[int, Value] | None = None, *, plainly: bool = False
    ) -> Callable[[Array], Value]:
        """A function from what was prepared to its values at inner index i, `lanes` of them (0: one scalar).

        `given` are values that are there, by identity. `plainly` divides where products would be faster alone.
        """
        e = self._e
        values = dict(given or {})

        def get(x: Array) -> Value:
            value = values.get(id(x))
            if value is None:
                value = values[id(x)] = e.f.splat(self._fixed[id(x)], lanes)
            return value

        for x in self._order:
            if not self._varies[id(x)] or id(x) in values:
                continue
            if isinstance(x, Expr):
                args = [get(a) for a in x.args]
                by = self._divisors.get(id(x))
                if by is not None and not plainly and lanes * itemsize(x.dtype) == division.BYTES:
                    values[id(x)] = division.divided(args[0], by)
                    continue
                values[id(x)] = e.compute(x.op, x.dtype, [a.dtype for a in x.args], args, x.params)
            else:
                values[id(x)] = self._leaf(x, i, lanes)
        return get

    def _leaf(self, x: Array, i: Index, lanes: int) -> Value:
        e, f = self._e, self._e.f
        assert isinstance(x, View | Affine)
        assert self._inner is not None
        stride = x.strides[self._inner]
        at = f.iadd(self._base[id(x)], f.imul(i, stride))
        if isinstance(x, Affine):
            return _ramp(e, at, stride, x.dtype, lanes)
        if stride == 1 or not lanes:
            return e.load(x, at, lanes)
        if stride == -1:
            backwards = e.load(x, f.iadd(at, 1 - lanes), lanes)
            return f.shuffle(backwards, backwards, range(lanes - 1, -1, -1))
        if 1 < stride <= NEAR and lanes > 2 and x.dtype != "bool":
            return _every(e, x, at, stride, lanes)
        return f.pack([e.load(x, f.iadd(at, k * stride)) for k in range(lanes)])


def _every(e: Emitter, x: View, at: Index, stride: int, lanes: int) -> Value:
    """Every second, third or fourth element: chosen from vectors that hold them all and nothing beyond the last."""
    f, span = e.f, (lanes - 1) * stride + 1
    starts = [min(k, span - lanes) for k in range(0, span, lanes)]
    vectors = [e.load(x, f.iadd(at, start), lanes) for start in starts]
    out = vectors[0]
    for j, (start, vector) in enumerate(zip(starts, vectors, strict=True)):
        if j:
            places = [k * stride for k in range(lanes)]
            kept = [p if j == 1 else k for k, p in enumerate(places)]
            chosen = [lanes + p - start if p // lanes == j else old for p, old in zip(places, kept, strict=True)]
            out = f.shuffle(out, vector, [min(c, 2 * lanes - 1) for c in chosen])
    return out


def place(e: Emitter, x: View | Affine, outer: Indices) -> Index:
    """The place of an element, or its value for a ramp, at these indices of the loops around."""
    at: Index = x.dynamic if isinstance(x, View) else 0
    for d, i in outer:
        at = e.f.iadd(at, e.f.imul(i, x.strides[d]))
    return e.f.iadd(at, x.offset)


def _as_element(e: Emitter, index: Index, dtype: str) -> Value:
    if isinstance(index, int):
        return e.constant(dtype, index)
    return elements.converted(e.f, index, "int64", dtype)


def _ramp(e: Emitter, first: Index, stride: int, dtype: str, lanes: int) -> Value:
    f = e.f
    if not lanes:
        return _as_element(e, first, dtype)
    steps = f.pack([f.constant(I64, k * stride) for k in range(lanes)])
    return elements.converted(f, f.splat(f.index(first), lanes) + steps, "int64", dtype)


def lanes_for(e: Emitter, order: Sequence[Array], n: int = 0) -> int:
    """Elements of a vector: as many as the widest type that occurs allows; of a wide one in a loop that it suits."""
    widest = max([itemsize(x.dtype) for x in order if x.dtype != "bool"], default=4)
    wide = e.wide_bytes // max(widest, 4)
    if n and (n % wide == 0 or n >= LONG * wide):
        return wide
    return max(1, e.vector_bytes // max(widest, 4))
