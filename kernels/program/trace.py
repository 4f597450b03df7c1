"""From a function to a program: trace it to a jaxpr, inline calls, fold constants, write each operation once.

A node is put into the outermost block that has its operands, so what doesn't change in a loop is computed before it;
a branch keeps its nodes, since it may not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from jaxbm.kernels.program import fold
from jaxbm.kernels.program.elements import name_of
from jaxbm.kernels.program.ir import SHORT, Block, Const, Node, NotNative, Value
from jaxbm.kernels.program.jaxprs import Literal
from jaxbm.kernels.program.registry import rule_for

LARGE = 4096
"""Bytes from which on a constant is an operand of the call rather than a part of the program."""


def is_key(dtype: Any) -> bool:
    """Whether it is the dtype of typed random keys."""
    if isinstance(dtype, np.dtype):  # NumPy knows no keys, and this is asked of every operand
        return False
    return jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def key_words(aval: Any) -> tuple[int, ...]:
    """The axes that a typed key adds to its array's shape; none for other dtypes."""
    return tuple(aval.dtype._impl.key_shape) if is_key(aval.dtype) else ()


def shape_of(aval: Any) -> tuple[int, ...]:
    """The shape as programs see it: a typed key is an array of words."""
    if not hasattr(aval, "shape"):
        raise NotNative(f"a value that is no array: {aval}")
    if not all(isinstance(n, int) for n in aval.shape):
        raise NotNative("a dimension is not known while compiling")
    return (*aval.shape, *key_words(aval))


def dtype_of(aval: Any) -> str:
    """The dtype as programs see it.

    Raises:
      NotNative: programs hold no such elements.
    """
    if is_key(aval.dtype):
        return "uint32"
    name = name_of(aval.dtype)
    if name == "float0":
        return "bool"
    if name not in SHORT:
        raise NotNative(f"arrays of {name}")
    return name


class Tracer:
    """Builds one program. `captured` are the arrays that the call passes besides the function's own arguments."""

    def __init__(self) -> None:
        self.root = Block(0)
        self._blocks = [self.root]
        self._known: list[dict[Any, list[Value]]] = [{}]
        self._barriers = [0]
        self._constants: dict[Any, Value] = {}
        self._notes: dict[str, Any] = {}
        self.captured: list[tuple[Value, Any]] = []
        self.made: dict[Value, Node] = {}
        """The node that gives a value, for what looks further back than at its operands."""
        self.definitions: dict[int, Any] = {}
        """By the identity of an equation what another library's primitive is defined by."""

    # Values

    def constant(self, array: Any, dtype: str | None = None) -> Value:
        """An array known now; a large one is passed at each call."""
        if is_key(getattr(array, "dtype", np.dtype(bool))):
            with jax.ensure_compile_time_eval():
                array = jax.random.key_data(array)
        key: Any = id(array)
        if key in self._constants:
            return self._constants[key]
        host = np.asarray(array, dtype=dtype)
        name = name_of(host.dtype)
        if name == "float0":
            host, name = np.zeros(host.shape, bool), "bool"
        if name not in SHORT:
            raise NotNative(f"a constant of {name}")
        if host.nbytes >= LARGE and not (host == host.flat[0]).all():
            value = Value(host.shape, name)
            self.captured.append((value, array))
            self._constants[key] = value
            return value
        content = (name, host.shape, host.tobytes())
        return self._constants.setdefault(content, Const(host, name))

    def scalar(self, value: Any, dtype: str) -> Value:
        """A constant without axes."""
        return self.constant(np.asarray(value).astype(dtype))

    def full(self, value: Any, shape: Sequence[int], dtype: str) -> Value:
        """A constant of this shape that is everywhere the same."""
        return self.broadcast(self.scalar(value, dtype), shape)

    # Nodes

    def add(self, op: str, inputs: Sequence[Value], shape: Sequence[int], dtype: str, **params: Any) -> Value:
        """A node with one result."""
        return self.add_many(op, inputs, [(tuple(shape), dtype)], **params)[0]

    def add_many(
        self, op: str, inputs: Sequence[Value], types: Sequence[tuple[tuple[int, ...], str]], **params: Any
    ) -> list[Value]:
        """A node without blocks; parameters are hashable. One that exists already is taken again."""
        if all(type(v) is Const for v in inputs):
            folded = fold.fold(op, params, [v.array for v in inputs if isinstance(v, Const)], list(types))
            if folded is not None:
                return [self.constant(folded)]
        depth = max([v.depth for v in inputs], default=0)
        key = (op, tuple(params.items()), tuple(map(id, inputs)), tuple(types))
        for table in self._known[depth:]:
            if key in table:
                return table[key]
        depth = max(depth, self._barriers[-1])
        outputs = [Value(shape, dtype, depth) for shape, dtype in types]
        node = Node(op, inputs, outputs, params)
        self._blocks[depth].nodes.append(node)
        self._known[depth][key] = outputs
        self.made.update(dict.fromkeys(outputs, node))
        return outputs

    def add_control(
        self,
        op: str,
        inputs: Sequence[Value],
        types: Sequence[tuple[tuple[int, ...], str]],
        blocks: Sequence[Block],
        **params: Any,
    ) -> list[Value]:
        """A node with blocks."""
        depth = len(self._blocks) - 1
        outputs = [Value(shape, dtype, depth) for shape, dtype in types]
        self._blocks[-1].nodes.append(Node(op, inputs, outputs, {**params, **self._notes}, blocks))
        return outputs

    @contextmanager
    def noting(self, **notes: Any) -> Iterator[None]:
        """Nodes with blocks that are written meanwhile have these parameters too."""
        before, self._notes = self._notes, {**self._notes, **notes}
        try:
            yield
        finally:
            self._notes = before

    @contextmanager
    def block(self, inputs: Sequence[tuple[tuple[int, ...], str]], *, may_not_run: bool) -> Iterator[Block]:
        """A block inside the present one; set its outputs before leaving."""
        depth = len(self._blocks)
        inner = Block(depth)
        inner.inputs = [Value(shape, dtype, depth) for shape, dtype in inputs]
        self._blocks.append(inner)
        self._known.append({})
        self._barriers.append(depth if may_not_run else self._barriers[-1])
        try:
            yield inner
        finally:
            self._blocks.pop()
            self._known.pop()
            self._barriers.pop()
        inner.close()

    def broadcast(self, value: Value, shape: Sequence[int], axes: Sequence[int] | None = None) -> Value:
        """Broadcast; `axes` are the places of the operand's axes, by default the last ones."""
        shape = tuple(shape)
        if value.shape == shape:
            return value
        if axes is None:
            axes = range(len(shape) - len(value.shape), len(shape))
        return self.add("broadcast", [value], shape, value.dtype, axes=tuple(int(a) for a in axes))

    def convert(self, value: Value, dtype: str) -> Value:
        """The value in another dtype."""
        if value.dtype == dtype:
            return value
        return self.add("convert_element_type", [value], value.shape, dtype)

    # Jaxprs

    def closed(self, jaxpr: Any, args: Sequence[Value]) -> list[Value]:
        """The results of a jaxpr, closed or not, at these arguments."""
        if hasattr(jaxpr, "jaxpr"):
            return self.inline(jaxpr.jaxpr, [self.constant(c) for c in jaxpr.consts], args)
        return self.inline(jaxpr, [], args)

    def inline(self, jaxpr: Any, consts: Sequence[Value], args: Sequence[Value]) -> list[Value]:
        """The results of an open jaxpr."""
        env: dict[Any, Value] = dict(zip(jaxpr.constvars, consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(v: Any) -> Value:
            return self.constant(v.val, dtype_of(v.aval)) if isinstance(v, Literal) else env[v]

        for eqn in jaxpr.eqns:
            found = rule_for(eqn)
            try:
                outputs = found.apply(self, eqn, [read(v) for v in eqn.invars])
            except NotNative as reason:
                raise reason if reason.primitive else NotNative(reason.reason, eqn.primitive.name) from None
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def call(self, function: Callable[..., Any], *args: Value) -> list[Value]:
        """The results of a function of arrays that is written with JAX."""
        specs = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in args]
        jaxpr = jax.make_jaxpr(function)(*specs)
        return self.closed(jaxpr, args)
