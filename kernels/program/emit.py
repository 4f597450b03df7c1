"""From a program to LLVM IR: walks the nodes in order and asks the rule of each to write it.

Elementwise and shape nodes write nothing yet for large arrays; what they describe is computed where it is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxbm.kernels.program import fuse, invariant, layout, packs, waiting
from jaxbm.kernels.program.elements import itemsize
from jaxbm.kernels.program.emitter import Emitter
from jaxbm.kernels.program.ir import Block, Const, Node, NotNative, Value
from jaxbm.kernels.program.lazy import Array, Expr, Registers, Splat, View, is_few, resolved
from jaxbm.kernels.program.place import Buffer
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import I32, PTR

ENTRY = "program"
"""The name of the compiled function: i32 program(ptr arguments, ptr results, ptr arena)."""
GIVE_UP = "give_up"
"""The label to which a program jumps that gives up."""


class Work(NamedTuple):
    """What a rule gets: the writer, the node, its operands, and where results should stand if large (or None)."""

    writer: Writer
    node: Node
    inputs: list[Array]
    places: list[View | None]
    dying: frozenset[Value]

    @property
    def e(self) -> Emitter:
        """The emitter."""
        return self.writer.e


Rule = Callable[[Work], Sequence[Array]]
RULES: dict[str, Rule] = {}


def emits(*ops: str) -> Callable[[Rule], Rule]:
    """Register how nodes of these operations are written."""

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, rule))
        return rule

    return register


class Writer:
    """Writes blocks, within one function. `env` has the arrays of values that are still to be read."""

    def __init__(self, e: Emitter) -> None:
        self.e = e
        self.env: dict[Value, Array] = {}
        self.places: dict[Value, View] = {}
        self.by_columns: set[Value] = set()
        self.relaid: dict[Value, View] = {}
        self._uses: dict[Value, int] = {}
        e.frames.append(self.env)

    def count(self, block: Block) -> None:
        """Count, within a block and those inside, who reads each value."""
        for node in block.nodes:
            for v in node.inputs:
                self._uses[v] = self._uses.get(v, 0) + 1
            for inner in node.blocks:
                self.count(inner)
        for v in block.outputs:
            self._uses[v] = self._uses.get(v, 0) + 1

    def bind(self, value: Value, array: Array) -> None:
        """From now on `value` is this array."""
        uses = self._uses.get(value, 0)
        if not uses:
            return
        if isinstance(array, Expr):
            array.uses += uses - (array.uses > 0)
        self.env[value] = array

    def read(self, value: Value) -> Array:
        """The array of a value."""
        if type(value) is Const:
            return self.e.known(value.array, value.dtype)
        array = resolved(self.env[value])
        return array.again() if isinstance(array, View) else array

    def run(self, block: Block) -> None:
        """Write the nodes of a block whose inputs are bound."""
        nodes = fuse.scheduled(block)
        self.by_columns |= layout.by_columns(nodes, self._uses)
        last: dict[Value, int] = {}
        own = set(block.inputs)
        for k, node in enumerate(nodes):
            own.update(node.outputs)
            for v in node.reads():
                if v in own:
                    last[v] = k
        kept = set(block.outputs)
        dying: dict[int, list[Value]] = {}
        for v, k in last.items():
            if v not in kept:
                dying.setdefault(k, []).append(v)
        k = 0
        while k < len(nodes):
            count = fuse.run_at(nodes, k)
            if count > 1:
                self._write_packed(nodes[k : k + count])
                for v in itertools.chain.from_iterable(dying.get(j, ()) for j in range(k, k + count)):
                    self.env.pop(v, None)
            else:
                self._write(nodes[k], dying.get(k, ()))
            k += count

    def _write_packed(self, nodes: Sequence[Node]) -> None:
        """Nodes of one operation on scalars, as vectors."""
        rows: list[tuple[Any, ...]] = []
        for node in nodes:
            rows += zip(*[self.e.registers(self.read(v)).values() for v in node.inputs], strict=True)
        first = nodes[0]
        dtype, dtypes = first.outputs[0].dtype, [v.dtype for v in first.inputs]
        values = packs.scalars(self.e, first.op, dtype, dtypes, rows, first.params)
        at = 0
        for node in nodes:
            (out,) = node.outputs
            self.bind(out, Registers.of(out.shape, values[at : at + out.size], dtype))
            at += out.size

    def _write(self, node: Node, dying: Sequence[Value]) -> None:
        for block in node.blocks:
            self.settle(block.free)
        inputs = [self.read(v) for v in node.inputs]
        # What a node's blocks read must stay known until it is written.
        inside = {v for block in node.blocks for v in block.free}
        for v in dying:
            if v not in inside:
                self.env.pop(v, None)
        places = [self.places.pop(v, None) for v in node.outputs]
        is_loop = node.op in ("scan", "while")
        relaid = invariant.relay(self.e, self.env, node, self.relaid) if is_loop else {}
        self.relaid.update(relaid)
        outputs = self._apply(Work(self, node, inputs, places, frozenset(dying)))
        for v in relaid:
            del self.relaid[v]
        inputs.clear()
        for v in dying:
            self.env.pop(v, None)
        relaid.clear()
        for v, array in zip(node.outputs, outputs, strict=True):
            self.bind(v, array)

    def _apply(self, work: Work) -> Sequence[Array]:
        node = work.node
        if not node.blocks and node.op != "bail" and all(v.size == 0 for v in node.outputs):
            return [Splat(v.shape, v.dtype, self.e.constant(v.dtype, 0)) for v in node.outputs]
        rule = RULES.get(node.op)
        try:
            if rule is not None:
                return rule(work)
            if len(node.outputs) != 1 or any(v.shape != node.outputs[0].shape for v in node.inputs):
                raise NotNative("it isn't written natively yet")
            (out,) = node.outputs
            return [self.e.elementwise(node.op, out.dtype, work.inputs, node.params)]
        except NotNative as reason:
            raise reason if reason.primitive else NotNative(reason.reason, node.op) from None

    def outputs(self, block: Block) -> list[Array]:
        """What a block that was written gives; its values are forgotten where it was their own."""
        out = [self.read(v) for v in block.outputs]
        for v in set(block.outputs):
            if v.depth == block.depth:
                self.env.pop(v, None)
        return out

    def settle(self, values: Sequence[Value]) -> None:
        """Compute what will be read inside a loop or a branch, before it."""
        for v in values:
            array = self.env.get(v)
            if isinstance(array, Expr):
                self.env[v] = self.e.memory(array)
            elif isinstance(array, View):
                waiting.finish(self.e, array.buffer)


class Written(NamedTuple):
    """LLVM IR of a program and of its products, the bytes of arena that a call needs, and whether it may give up."""

    text: str
    products: str
    arena_bytes: int
    gives_up: bool


def emit(
    block: Block, *, vector_bytes: int = 32, wide_bytes: int = 0, scales: bool = False, checked: bool = False
) -> Written:
    """The module that runs a program. One that may give up has a last result, an int32: whether it did.

    Raises:
      NotNative: something in it has no instructions here.
    """

    module = Module(scales=scales)
    noalias = "noalias nocapture"
    f = module.function(
        ENTRY, [("arguments", PTR, noalias), ("results", PTR, noalias), ("arena", PTR, f"{noalias} align 64")], I32
    )
    arguments, results, arena = f.params
    e = Emitter(f, arena, vector_bytes=vector_bytes, wide_bytes=wide_bytes, checked=checked)
    w = Writer(e)
    w.count(block)
    pointers = [_pointer(f, arguments, k) for k in range(len(block.inputs))]
    out_pointers = [_pointer(f, results, k) for k in range(len(block.outputs))]
    gives_up = bool(bail_outs(block))
    flag = _pointer(f, results, len(block.outputs)) if gives_up else None
    for v, pointer in zip(block.inputs, pointers, strict=True):
        array: Array = View(v.shape, v.dtype, Buffer(lambda p=pointer: p, v.size * itemsize(v.dtype)))  # type: ignore[misc]
        w.bind(v, e.registers(array) if is_few(v.shape) else array)
    places = []
    for v, pointer in zip(block.outputs, out_pointers, strict=True):
        buffer = Buffer(lambda p=pointer: p, v.size * itemsize(v.dtype))  # type: ignore[misc]
        place = View(v.shape, v.dtype, buffer, counted=False)
        places.append(place)
        if type(v) is not Const and v not in block.inputs and not is_few(v.shape):
            w.places.setdefault(v, place)
    w.run(block)
    e.give(list(zip(w.outputs(block), places, strict=True)))
    if flag is not None:
        f.store(f.constant(I32, 0), flag)
    f.ret(f.constant(I32, 0))
    if flag is not None:
        f.start(GIVE_UP)
        f.store(f.constant(I32, 1), flag)
        f.ret(f.constant(I32, 0))
    if e.may_fail:
        f.start("out_of_bounds")
        f.ret(f.constant(I32, 1))
    # Functions that another module calls must be visible there.
    products = e.products.text().replace("define internal void @dot.", "define void @dot.")
    return Written(module.text(), products, e.arena.top, gives_up)


def bail_outs(block: Block) -> list[str]:
    """Why a program may give up, for each branch where it does."""
    return [node.params["reason"] for _, node in block.walk() if node.op == "bail"]


def _pointer(f: Function, table: Any, k: int) -> Any:
    return f.load(table, PTR, k, metadata=", !invariant.load " + f.module.metadata("!{}"))


small = is_few


__all__ = ["GIVE_UP", "Work", "Writer", "Written", "bail_outs", "emit", "emits", "small"]
