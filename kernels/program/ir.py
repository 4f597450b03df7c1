"""The intermediate representation: array operations in blocks, typed by shape and dtype.

    Block    values that come in, nodes in order, values that go out
    Node     an operation by name, with parameters, operands, results and, for control flow, blocks
    Value    one array: shape and dtype; made by a node, or an input of a block
    Const    an array known while compiling

A block reads values of the blocks around it as if they were its own. Random keys are arrays of their words here, and
every operand of an elementwise node has the shape of its result. Three nodes hold blocks:

    scan     operands: initial carry, then arrays to scan over; block: (carry, rows) -> (carry, results of a step)
    while    operands: initial carry; blocks: (carry) -> bool and (carry) -> carry
    switch   operand: an int32 index, clamped; blocks without inputs, one for each case

A branch that can't be native is a single node, `bail`: where it would run, the program gives up, and XLA runs all of
the function from the same arguments. `effects` says that what it stands for is done even if nobody needs its results.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

SHORT = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "bool": "bool"}
SHORT |= {f"int{n}": f"i{n}" for n in (8, 16, 32, 64)} | {f"uint{n}": f"u{n}" for n in (8, 16, 32, 64)}
"""How dtypes are printed; also the list of those that programs can hold."""


class NotNative(Exception):
    """Why something can't be compiled. `primitive` is the name of what is in the way, or "" where it is none."""

    def __init__(self, reason: str, primitive: str = "") -> None:
        super().__init__(f"{primitive}: {reason}" if primitive else reason)
        self.reason, self.primitive = reason, primitive


class Value:
    """An array that a program computes. `depth` says which of the blocks around it defines it, 0 the outermost."""

    __slots__ = ("depth", "dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: str, depth: int = 0) -> None:
        self.shape, self.dtype, self.depth = shape, dtype, depth

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def type(self) -> str:
        """Such as "f32[3,4]"."""
        return f"{SHORT[self.dtype]}[{','.join(map(str, self.shape))}]"


class Const(Value):
    """An array known while compiling."""

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray, dtype: str) -> None:
        super().__init__(array.shape, dtype)
        self.array = array


class Node:
    """One operation."""

    __slots__ = ("blocks", "effects", "inputs", "op", "outputs", "params")

    def __init__(
        self,
        op: str,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        params: dict[str, Any],
        blocks: Sequence[Block] = (),
    ) -> None:
        self.op, self.inputs, self.outputs, self.params = op, tuple(inputs), tuple(outputs), params
        self.blocks = tuple(blocks)
        self.effects: bool = params.get("effects", False) or any(b.effects for b in blocks)

    def reads(self) -> Iterator[Value]:
        """Operands, and what its blocks read of the blocks around them."""
        yield from self.inputs
        for block in self.blocks:
            yield from block.free


class Block:
    """Nodes in the order in which they run. `free` are the values of outer blocks that this one reads."""

    __slots__ = ("depth", "effects", "free", "inputs", "nodes", "outputs")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.outputs: list[Value] = []
        self.free: tuple[Value, ...] = ()
        self.effects = False

    def close(self) -> None:
        """Drop nodes whose results nobody uses; note what is read of outer blocks, and whether there are effects."""
        needed = set(self.outputs)
        kept = []
        for node in reversed(self.nodes):
            if not node.effects and needed.isdisjoint(node.outputs):
                continue
            if node.op == "scan":
                _drop_unused_carry(node, needed)
            kept.append(node)
            needed.update(node.reads())
        self.nodes = kept[::-1]
        self.effects = any(node.effects for node in kept)
        own = {v for n in self.nodes for v in n.outputs}.union(self.inputs)
        self.free = tuple(v for v in needed if v not in own and not isinstance(v, Const))

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Every node with the number of loops around it, outer nodes before those of their blocks."""
        for node in self.nodes:
            yield 0, node
            deeper = node.op in ("scan", "while")
            for block in node.blocks:
                for level, inner in block.walk():
                    yield level + deeper, inner


def _needed(nodes: Sequence[Node], outputs: Iterable[Value]) -> set[Value]:
    """What these outputs depend on, themselves included."""
    needed = set(outputs)
    for node in reversed(nodes):
        if node.effects or not needed.isdisjoint(node.outputs):
            needed.update(node.reads())
    return needed


def _drop_unused_carry(node: Node, needed: set[Value]) -> None:
    """Leave out of a scan what neither its results nor another needed part of its carry depends on."""
    (body,), n = node.blocks, node.params["n_carry"]
    keep = [v in needed for v in node.outputs]
    while True:
        read = _needed(body.nodes, [v for v, k in zip(body.outputs, keep, strict=True) if k])
        more = [k or (i < n and body.inputs[i] in read) for i, k in enumerate(keep)]
        if more == keep:
            break
        keep = more
    taken = keep[:n] + [v in read for v in body.inputs[n:]]
    block = Block(body.depth)
    block.inputs = [v for v, k in zip(body.inputs, taken, strict=True) if k]
    block.outputs = [v for v, k in zip(body.outputs, keep, strict=True) if k]
    block.nodes = body.nodes
    block.close()
    node.inputs = tuple(v for v, k in zip(node.inputs, taken, strict=True) if k)
    node.outputs = tuple(v for v, k in zip(node.outputs, keep, strict=True) if k)
    node.params = {**node.params, "n_carry": sum(keep[:n])}
    node.blocks = (block,)


def listing(block: Block) -> str:
    """The program as text, for people and for tests."""
    names: dict[Value, str] = {}
    return "\n".join(_lines(block, names, ""))


def _lines(block: Block, names: dict[Value, str], indent: str) -> Iterable[str]:
    def name(v: Value) -> str:
        if isinstance(v, Const):
            value = v.array.flat[0] if v.size == 1 else "..."
            return f"{value}" if v.shape == () else f"{value}:{v.type}"
        return names.setdefault(v, f"%{len(names)}")

    yield indent + "in  " + ", ".join(f"{name(v)}: {v.type}" for v in block.inputs)
    for node in block.nodes:
        params = "".join(f" {k}={_short(v)}" for k, v in node.params.items() if v is not None)
        left = ", ".join(f"{name(v)}: {v.type}" for v in node.outputs)
        yield f"{indent}{left} = {node.op}{params} {' '.join(name(v) for v in node.inputs)}".rstrip()
        for inner in node.blocks:
            yield from _lines(inner, names, indent + "    ")
    yield indent + "out " + ", ".join(name(v) for v in block.outputs)


def _short(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value).replace(" ", "")
