"""The state of a program that is being written, and how arrays get from one form to another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxbm.kernels.program import arithmetic, elements, lazy, loops, packs, waiting
from jaxbm.kernels.program.elements import itemsize
from jaxbm.kernels.program.lazy import Affine, Array, Expr, NotAView, Registers, Shape, Splat, View, is_few, resolved
from jaxbm.kernels.program.place import Arena, Buffer
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import PTR
from jaxbm.kernels.program.values import Index, Value

LONG = 400
"""Operations of an expression from which on it is computed, whoever reads it."""


class Emitter:
    """Writes one function. `level` counts the loops and branches around what is written now."""

    def __init__(
        self, f: Function, arena: Value, *, vector_bytes: int = 32, wide_bytes: int = 0, checked: bool = False
    ) -> None:
        self.f, self.arena_pointer = f, arena
        self.vector_bytes, self.wide_bytes, self.checked = vector_bytes, wide_bytes or vector_bytes, checked
        self.arena = Arena()
        self.level = 0
        self.frames: list[dict[Any, Array]] = []
        self._spilled: list[dict[int, tuple[Registers, View]]] = [{}]
        self.may_fail = False
        self.products = Module()
        """Functions of products: a module of their own, since their register tiles are written as they should be."""

    # Memory

    def allocate(self, shape: Sequence[int], dtype: str, strides: Sequence[int] | None = None) -> View:
        """A new array in the arena."""
        start, nbytes = self.arena.take(math.prod(shape) * itemsize(dtype))

        def pointer() -> Value:
            text = f"getelementptr inbounds i8, ptr {self.arena_pointer.text}, i64 {start}"
            return self.f.pure(text, PTR)

        buffer = Buffer(pointer, nbytes, self.level, self.arena, start)
        return View(tuple(shape), dtype, buffer, strides=None if strides is None else tuple(strides))

    def known(self, array: np.ndarray, dtype: str) -> Array:
        """A constant: in registers, as one value, or as data of the program."""
        if is_few(array.shape):
            values = [elements.constant(self.f, dtype, x) for x in array.ravel().tolist()]
            return Registers.of(array.shape, values, dtype)
        if array.size == 0:
            return Splat(array.shape, dtype, elements.constant(self.f, dtype, 0))
        data = np.ascontiguousarray(array)
        raw = data.tobytes()
        if raw == raw[: data.itemsize] * data.size:
            return Splat(array.shape, dtype, elements.constant(self.f, dtype, data.flat[0].item()))
        pointer = self.f.module.constant_bytes(raw)
        return View(array.shape, dtype, Buffer(lambda: pointer, data.nbytes))

    def load(self, view: View, index: Index, lanes: int = 0) -> Value:
        """Elements of a view's buffer, by their place in the buffer."""
        if view.buffer.pending is not None:
            raise AssertionError("a product is read before it was computed, an error of this compiler")
        self.check(view, index, max(lanes, 1))
        return elements.load(self.f, view.buffer.pointer(), view.dtype, index, lanes)

    def store(self, value: Value, view: View, index: Index) -> None:
        """Write to a view's buffer, by the place in the buffer."""
        self.check(view, index, max(value.type.lanes, 1))
        elements.store(self.f, value, view.buffer.pointer(), view.dtype, index)

    def check(self, view: View, index: Index, count: int) -> None:
        """That `count` elements from this place on lie in the buffer: now if it is known, else when it runs."""
        most = view.buffer.nbytes // itemsize(view.dtype) - count
        if isinstance(index, int):
            if not 0 <= index <= most:
                raise AssertionError(f"element {index} of {most + count} is accessed, an error of this compiler")
        elif self.checked:
            self.require(index.compare("ule", most) if most >= 0 else index.compare("ult", 0))

    def require(self, condition: Value) -> None:
        """Give up, with an error of the call, where this doesn't hold."""
        self.may_fail = True
        go_on = self.f.label()
        self.f.branch(condition, go_on, "out_of_bounds")
        self.f.start(go_on)

    # Forms

    def constant(self, dtype: str, value: object) -> Value:
        """One known element."""
        return elements.constant(self.f, dtype, value)

    def compute(
        self, op: str, dtype: str, inputs: Sequence[str], args: Sequence[Value], params: dict[str, Any] | None = None
    ) -> Value:
        """An elementwise operation on values."""
        return arithmetic.compute(self.f, op, params or {}, dtype, inputs, args)

    def registers(self, array: Array) -> Registers:
        """In registers; for small arrays."""
        array = resolved(array)
        if isinstance(array, Registers):
            return array
        values = [self.element(array, index) for index in itertools.product(*map(range, array.shape))]
        origin = array if isinstance(array, View) and array.buffer.level < 0 else None
        return Registers(Registers.of(array.shape, values, array.dtype).items, array.dtype, origin)

    def element(self, array: Array, index: Sequence[int]) -> Value:
        """One element at a known index."""
        array = resolved(array)
        if isinstance(array, Registers):
            return array.items[tuple(index)]
        if isinstance(array, Splat):
            return array.value
        if isinstance(array, Affine):
            at = array.offset + sum(i * s for i, s in zip(index, array.strides, strict=True))
            return self.constant(array.dtype, at)
        if isinstance(array, View):
            waiting.finish(self, array.buffer)
            at = array.offset + sum(i * s for i, s in zip(index, array.strides, strict=True))
            return self.load(array, self.f.iadd(array.dynamic, at))
        assert isinstance(array, Expr)
        args = [self.element(a, index) for a in array.args]
        return self.compute(array.op, array.dtype, [a.dtype for a in array.args], args, array.params)

    def node(self, array: Array, shape: Shape | None = None) -> Array:
        """As loops read it: registers become one value or memory."""
        array = resolved(array)
        if isinstance(array, Registers):
            if array.size == 1:
                return Splat(array.shape if shape is None else shape, array.dtype, array.items.flat[0])
            return self.memory(array)
        if isinstance(array, Splat) and shape is not None and array.shape != shape:
            return Splat(shape, array.dtype, array.value)
        return array

    def memory(self, array: Array, *, contiguous: bool = False) -> View:
        """In memory; what was an expression is known by its place from now on."""
        array = resolved(array)
        if isinstance(array, Registers):
            return self._spill(array)
        if isinstance(array, View):
            waiting.finish(self, array.buffer)
            if not contiguous or array.is_contiguous():
                return array
            out = self.allocate(array.shape, array.dtype)
            loops.store_all(self, [(array, out)])
            return out
        place = self.allocate(array.shape, array.dtype) if contiguous else None
        return loops.store_all(self, [(array, place)])[0]

    def _spill(self, array: Registers) -> View:
        if array.origin is not None:
            return array.origin
        for scope in self._spilled:
            if id(array) in scope:
                return scope[id(array)][1]
        values = array.values()
        if all(v.is_constant for v in values):
            dtype = "float32" if array.dtype in elements.HALF else array.dtype
            data = np.array([elements.number(v) for v in values], np.float64 if dtype[0] == "f" else None)
            if array.dtype not in elements.HALF:
                if dtype[0] == "u":
                    data = data.astype(f"int{dtype[4:]}").view(dtype)
                raw = np.ascontiguousarray(data.astype(dtype)).tobytes()
                pointer = self.f.module.constant_bytes(raw)
                return View(array.shape, array.dtype, Buffer(lambda: pointer, len(raw)))
        out = self.allocate(array.shape, array.dtype)
        for k, value in enumerate(values):
            self.store(value, out, k)
        out.buffer.level = -1  # it is shared from now on
        self._spilled[-1][id(array)] = (array, out)
        return out

    # Shapes

    def remapped(self, array: Array, rule: lazy.Rule, items: Callable[[np.ndarray], np.ndarray]) -> Array:
        """Other indices by a rule for strides, or by NumPy for what is in registers."""
        array = resolved(array)
        if isinstance(array, Registers):
            return Registers(items(array.items), array.dtype)
        if isinstance(array, Expr):
            grows = math.prod(rule(array.shape, (0,) * len(array.shape))[0]) > array.size
            if (array.cost >= 3 and (array.uses > 1 or grows)) or array.nodes > 60:
                array = self.memory(array)
        try:
            out = lazy.remapped(array, rule)
        except NotAView:
            out = lazy.remapped(self.memory(array, contiguous=True), rule)
        return self.registers(out) if is_few(out.shape) else out

    def broadcast(self, array: Array, shape: Shape, axes: Sequence[int]) -> Array:
        """A broadcast with the operand's axes at these places."""
        array = resolved(array)
        if isinstance(array, Registers) and not is_few(shape):
            if array.size == 1:
                return Splat(shape, array.dtype, array.items.flat[0])
            array = self.memory(array)
        full = [1] * len(shape)
        for n, axis in zip(array.shape, axes, strict=True):
            full[axis] = n
        rule = lazy.broadcast_rule(shape, axes)
        return self.remapped(array, rule, lambda a: np.broadcast_to(a.reshape(full), shape))

    def reshape(self, array: Array, shape: Shape) -> Array:
        """Row-major reshape."""
        if array.shape == shape:
            return array
        return self.remapped(array, lazy.reshape_rule(shape), lambda a: a.reshape(shape))

    def transpose(self, array: Array, permutation: Shape) -> Array:
        """Axes in another order."""
        return self.remapped(array, lazy.transpose_rule(permutation), lambda a: a.transpose(permutation))

    def slice(self, array: Array, start: Shape, limit: Shape, step: Shape) -> Array:
        """A static part."""
        parts = tuple(slice(*p) for p in zip(start, limit, step, strict=True))
        return self.remapped(array, lazy.slice_rule(start, limit, step), lambda a: a[parts])

    def reverse(self, array: Array, axes: Shape) -> Array:
        """Some axes run backwards."""
        parts = lambda a: tuple(slice(None, None, -1) if d in axes else slice(None) for d in range(a.ndim))  # noqa: E731
        return self.remapped(array, lazy.reverse_rule(axes), lambda a: a[parts(a)])

    def elementwise(self, op: str, dtype: str, args: Sequence[Array], params: dict[str, Any] | None = None) -> Array:
        """An elementwise operation on arrays of one shape: at once for small arrays, else an expression."""
        shape = args[0].shape
        dtypes = [a.dtype for a in args]
        if is_few(shape):
            rows = list(zip(*[self.registers(a).values() for a in args], strict=True))
            return Registers.of(shape, packs.scalars(self, op, dtype, dtypes, rows, params), dtype)
        nodes = [self.node(a, shape) for a in args]
        for x in nodes:
            if isinstance(x, Expr) and x.nodes > LONG:
                self.memory(x)
        nodes = [resolved(x) for x in nodes]
        if all(isinstance(x, Splat) for x in nodes):
            value = self.compute(op, dtype, dtypes, [x.value for x in nodes], params)  # type: ignore[attr-defined]
            return Splat(shape, dtype, value)
        return Expr(shape, dtype, op, params or {}, nodes)

    # Writing to given places

    def give(self, pairs: Sequence[tuple[Array, View]]) -> None:
        """Write arrays to places; those of one shape share their loops."""
        groups: dict[Shape, list[tuple[Array, View | None]]] = {}
        for array, place in pairs:
            array = resolved(array)
            if isinstance(array, Registers):
                self.give_registers(array, place)
            elif not (isinstance(array, View) and array.is_same(place)):
                groups.setdefault(array.shape, []).append((array, place))
        for group in groups.values():
            loops.store_all(self, group)

    def give_registers(self, array: Registers, place: View) -> None:
        """Write each element of a small array."""
        for index in itertools.product(*map(range, array.shape)):
            at = place.offset + sum(i * s for i, s in zip(index, place.strides, strict=True))
            self.store(array.items[index], place, self.f.iadd(place.dynamic, at))

    def overwritable(self, array: Array, strides: Shape | None = None) -> View:
        """The array in memory that may be changed: its own place where nobody else looks at it, else a copy."""
        # What computed an expression meanwhile holds one view of it for all who read it.
        is_shared = isinstance(array, Expr) and array.uses > 1
        array = resolved(array)
        if isinstance(array, View) and not is_shared and self.is_own(array):
            waiting.finish(self, array.buffer)
            return array
        out = self.allocate(array.shape, array.dtype, strides)
        self.copy_to(array, out)
        return out

    def copy_to(self, array: Array, place: View) -> None:
        """Write an array to a place whose elements will change later."""
        array = resolved(array)
        if isinstance(array, Expr) and array.uses > 1:
            array = self.memory(array)
        self.give([(array, place)])
        if isinstance(array, Expr):
            array.view = None  # nobody else reads it, and it must not be taken for what will stand there

    def is_own(self, array: View) -> bool:
        """Whether nobody else looks at its buffer, which may be overwritten here."""
        buffer = array.buffer
        if buffer.level != self.level:
            return False
        if buffer.views > 1:
            self._compute_readers(array)
        return buffer.views == 1

    def _compute_readers(self, array: View) -> None:
        """Compute the expressions, and products that wait, that read an array which is about to be changed."""
        for frame in self.frames:
            for other in list(frame.values()):
                other = resolved(other)
                if not isinstance(other, Expr | View):
                    continue
                leaves = [x for x in loops.below([other])[0] if isinstance(x, View)]
                for buffer in waiting.among(leaves):
                    if any(x.buffer is array.buffer for x in waiting.operands(leaves)):
                        waiting.finish(self, buffer)
                if isinstance(other, Expr) and any(x.buffer is array.buffer for x in leaves):
                    self.memory(other)

    def inside(self) -> _Inside:
        """`with e.inside():` a loop's body or a branch is written."""
        return _Inside(self)


class _Inside:
    def __init__(self, e: Emitter) -> None:
        self._e = e

    def __enter__(self) -> None:
        self._e.level += 1
        self._e._spilled.append({})

    def __exit__(self, *error: object) -> None:
        self._e.level -= 1
        self._e._spilled.pop()
