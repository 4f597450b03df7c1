"""Arrays while a program is written: what isn't in memory is known by how to compute an element.

    Registers   each element is a value of its own; for small arrays
    Splat       one value everywhere
    Affine      offset + sum(index * stride), as in an iota
    View        a strided part of a buffer
    Expr        an elementwise operation on other arrays of its shape, computed where it is read

Shapes are index arithmetic: a broadcast, slice, transpose or reshape gives other strides to what an expression reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from jaxbm.kernels.program.arithmetic import COST
from jaxbm.kernels.program.place import Buffer
from jaxbm.kernels.program.values import Index, Value

Shape = tuple[int, ...]
FEW, LINE = 16, 8
"""Elements up to which an array stands in registers, each by itself, if it is shorter than `LINE` along each axis:
what is longer is computed in vectors."""
SHORT, MANY = 4, 8
"""Coordinates up to which, and points from which on, an array of points is kept coordinate by coordinate."""


def is_few(shape: Sequence[int]) -> bool:
    """Whether the elements of an array of this shape stand in registers, each by itself."""
    return math.prod(shape) <= FEW and max(shape, default=0) < LINE


def row_major(shape: Sequence[int]) -> Shape:
    """The strides of contiguous elements."""
    strides, size = [], 1
    for n in reversed(shape):
        strides.append(size)
        size *= n
    return tuple(reversed(strides))


def in_planes(shape: Shape) -> Shape | None:
    """Strides for an array with a short last axis (the coordinates of many points): one coordinate after another.

    Loops then run along the points, whichever coordinates they are about. None where row-major order serves as well.
    """
    if not shape or not 1 < shape[-1] <= SHORT or math.prod(shape[:-1]) < MANY:
        return None
    return (*row_major(shape[:-1]), math.prod(shape[:-1]))


class Array:
    """Any of the kinds above. `nodes` and `cost` say how much is computed for an element."""

    __slots__ = ("dtype", "shape")

    shape: Shape
    dtype: str
    cost = 0
    nodes = 1

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Registers(Array):
    """An array of values. `origin` is where they were read, if that can't change."""

    __slots__ = ("items", "origin")

    def __init__(self, items: np.ndarray, dtype: str, origin: View | None = None) -> None:
        self.items, self.dtype, self.origin = items, dtype, origin
        self.shape = items.shape

    @classmethod
    def of(cls, shape: Shape, values: Iterable[Value], dtype: str) -> Registers:
        """From values in row-major order."""
        items = np.empty(math.prod(shape), object)
        for k, v in enumerate(values):
            items[k] = v
        return cls(items.reshape(shape), dtype)

    def values(self) -> list[Value]:
        """In row-major order."""
        return list(self.items.flat)


class Splat(Array):
    """The same value everywhere."""

    __slots__ = ("value",)

    def __init__(self, shape: Shape, dtype: str, value: Value) -> None:
        self.shape, self.dtype, self.value = shape, dtype, value


class Affine(Array):
    """Elements that are linear in their index."""

    __slots__ = ("offset", "strides")
    cost = 1

    def __init__(self, shape: Shape, dtype: str, offset: int, strides: Shape) -> None:
        self.shape, self.dtype, self.offset, self.strides = shape, dtype, offset, strides


class View(Array):
    """A part of a buffer: element i stands at offset + dynamic + sum(i * strides), counted in elements.

    Whoever reads a buffer has a view of its own, so that the buffer knows how many do. Places that are only written
    to aren't counted.
    """

    __slots__ = ("buffer", "counted", "dynamic", "offset", "strides")

    def __init__(
        self,
        shape: Shape,
        dtype: str,
        buffer: Buffer,
        offset: int = 0,
        dynamic: Index = 0,
        strides: Shape | None = None,
        *,
        counted: bool = True,
    ) -> None:
        self.shape, self.dtype, self.buffer, self.counted = tuple(shape), dtype, buffer, counted
        self.offset, self.dynamic = offset, dynamic
        self.strides = row_major(shape) if strides is None else tuple(strides)
        buffer.views += counted

    def __del__(self) -> None:
        self.buffer.views -= self.counted

    def again(self, *, counted: bool = True) -> View:
        """Another view of the same elements."""
        return View(self.shape, self.dtype, self.buffer, self.offset, self.dynamic, self.strides, counted=counted)

    def is_contiguous(self) -> bool:
        """Whether the elements follow one another in row-major order."""
        return all(n == 1 or a == b for n, a, b in zip(self.shape, self.strides, row_major(self.shape), strict=True))

    def part(self, start: Sequence[int], shape: Sequence[int], step: Sequence[int] | None = None) -> View:
        """A static part of it."""
        offset = self.offset + sum(a * s for a, s in zip(start, self.strides, strict=True))
        strides = self.strides if step is None else tuple(s * k for s, k in zip(self.strides, step, strict=True))
        return View(tuple(shape), self.dtype, self.buffer, offset, self.dynamic, strides)

    def is_same(self, other: View) -> bool:
        """Whether both have the same elements in the same places."""
        return (
            self.buffer is other.buffer
            and self.offset == other.offset
            and _same_index(self.dynamic, other.dynamic)
            and self.shape == other.shape
            and all(n == 1 or a == b for n, a, b in zip(self.shape, self.strides, other.strides, strict=True))
        )


def _same_index(a: Index, b: Index) -> bool:
    if isinstance(a, Value) and isinstance(b, Value):
        return a.text == b.text
    return not isinstance(a, Value) and not isinstance(b, Value) and a == b


class Expr(Array):
    """An elementwise operation. `uses` counts who reads it; `view` is where it stands once it was computed."""

    __slots__ = ("args", "cost", "nodes", "op", "params", "uses", "view")

    def __init__(self, shape: Shape, dtype: str, op: str, params: dict[str, Any], args: Sequence[Array]) -> None:
        self.shape, self.dtype, self.op, self.params, self.args = shape, dtype, op, params, list(args)
        self.cost = min(10**6, COST.get(op, 1) + sum(a.cost for a in args))
        self.nodes = min(10**6, 1 + sum(a.nodes for a in args))
        self.uses = 0
        self.view: View | None = None


def resolved(array: Array) -> Array:
    """An expression that was computed is where it stands."""
    return array.view if isinstance(array, Expr) and array.view is not None else array


class NotAView(Exception):
    """A reshape that strides can't express."""


Rule = Callable[[Shape, Shape], tuple[Shape, int, Shape]]
"""From shape and strides to a new shape, what is added to the offset, and new strides."""


def remapped(array: Array, rule: Rule) -> Array:
    """The same elements (not those in registers) at other indices.

    Raises:
      NotAView: `rule` did, for something that the array reads.
    """
    memo: dict[int, Array] = {}

    def go(x: Array) -> Array:
        x = resolved(x)
        done = memo.get(id(x))
        if done is not None:
            return done
        if isinstance(x, Splat):
            out: Array = Splat(rule(x.shape, (0,) * len(x.shape))[0], x.dtype, x.value)
        elif isinstance(x, Expr):
            args = [go(a) for a in x.args]
            out = Expr(rule(x.shape, (0,) * len(x.shape))[0], x.dtype, x.op, x.params, args)
            for a in args:
                if isinstance(a, Expr):
                    a.uses += 1
        elif isinstance(x, View):
            shape, offset, strides = rule(x.shape, x.strides)
            out = View(shape, x.dtype, x.buffer, x.offset + offset, x.dynamic, strides)
        else:
            assert isinstance(x, Affine)
            shape, offset, strides = rule(x.shape, x.strides)
            out = Affine(shape, x.dtype, x.offset + offset, strides)
        memo[id(x)] = out
        return out

    out = go(array)
    memo.clear()  # a function that calls itself isn't freed at once, and views are counted
    return out


def broadcast_rule(target: Shape, axes: Sequence[int]) -> Rule:
    """Axes of length 1, and new ones, get the stride 0."""

    def rule(shape: Shape, strides: Shape) -> tuple[Shape, int, Shape]:
        out = [0] * len(target)
        for n, stride, axis in zip(shape, strides, axes, strict=True):
            out[axis] = stride if n == target[axis] and n > 1 else 0
        return target, 0, tuple(out)

    return rule


def reshape_rule(target: Shape) -> Rule:
    """Axes are split and merged where the strides allow it."""

    def rule(shape: Shape, strides: Shape) -> tuple[Shape, int, Shape]:
        if shape == target:
            return shape, 0, strides
        if math.prod(shape) == 0:
            return target, 0, row_major(target)
        old = [(n, s) for n, s in zip(shape, strides, strict=True) if n > 1]
        new = [d for d, n in enumerate(target) if n > 1]
        out, i, j = [0] * len(target), 0, 0
        while i < len(old):
            first_old, first_new = i, j
            have, want = old[i][0], target[new[j]]
            while have != want:
                if have < want:
                    i += 1
                    have *= old[i][0]
                else:
                    j += 1
                    want *= target[new[j]]
            if any(old[k][1] != old[k + 1][1] * old[k + 1][0] for k in range(first_old, i)):
                raise NotAView
            stride = old[i][1]
            for k in range(j, first_new - 1, -1):
                out[new[k]] = stride
                stride *= target[new[k]]
            i, j = i + 1, j + 1
        return target, 0, tuple(out)

    return rule


def transpose_rule(permutation: Shape) -> Rule:
    """Axes in another order."""
    return lambda shape, strides: (
        tuple(shape[p] for p in permutation),
        0,
        tuple(strides[p] for p in permutation),
    )


def slice_rule(start: Shape, limit: Shape, step: Shape) -> Rule:
    """A part, with steps."""

    def rule(shape: Shape, strides: Shape) -> tuple[Shape, int, Shape]:
        new = tuple(-(-(b - a) // k) for a, b, k in zip(start, limit, step, strict=True))
        offset = sum(a * s for a, s in zip(start, strides, strict=True))
        return new, offset, tuple(s * k for s, k in zip(strides, step, strict=True))

    return rule


def reverse_rule(axes: Shape) -> Rule:
    """Some axes run backwards."""

    def rule(shape: Shape, strides: Shape) -> tuple[Shape, int, Shape]:
        offset = sum((shape[d] - 1) * strides[d] for d in axes)
        return shape, offset, tuple(-s if d in axes else s for d, s in enumerate(strides))

    return rule
