"""What one loop keeps for a later one (residuals, for a gradient): less of it, where the rest is cheap to compute.

JAX keeps whatever a derivative needs, step by step: the same differences twice, once multiplied by a constant, once
by weights; a broadcast of a carry. A later loop that reads the rows again is bound by memory then. Here it gets what
those arrays are computed from, if that takes fewer bytes, and repeats the few operations: the values are the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxbm.kernels.program.elements import itemsize
from jaxbm.kernels.program.ir import Block, Const, Node, Value

SHAPES = frozenset({"broadcast", "reshape", "transpose"})
"""Operations that compute nothing."""
CHEAP = frozenset({
    "abs", "add", "and", "convert_element_type", "eq", "ge", "gt", "is_finite", "le", "lt", "max", "min", "mul", "ne",
    "neg", "not", "or", "select_n", "sign", "square", "sub", "xor",
})  # fmt: skip
"""Operations that take no longer than reading their result from memory."""
MOST = 3
"""Operations on an element that are worth as much as keeping one."""


def apply(block: Block) -> bool:
    """Change the loops in a block and in those inside it; whether any was."""
    inside = [apply(b) for node in block.nodes for b in node.blocks]
    changed = any(inside)
    scans = [node for node in block.nodes if node.op == "scan"]
    if len(scans) > 1:
        for k, first in enumerate(scans):
            for second in scans[k + 1 :]:
                if first.params["length"] == second.params["length"]:
                    changed |= _between(block, first, second)
    if changed:
        block.close()
    return changed


def _between(block: Block, first: Node, second: Node) -> bool:
    """Reduce what `second` alone reads of `first`'s stacked results."""
    (made,), (read,) = first.blocks, second.blocks
    n, m = first.params["n_carry"], second.params["n_carry"]
    if set(first.outputs[n:]).isdisjoint(second.inputs[m:]):
        return False
    readers: dict[Value, int] = {}
    for v in [*(v for node in block.nodes for v in node.reads()), *block.outputs]:
        readers[v] = readers.get(v, 0) + 1
    rows: dict[Value, Value] = {}
    """By what a step of the first loop computes, the same as the second loop reads it."""
    for outer, inner in zip(second.inputs[m:], read.inputs[m:], strict=True):
        if outer in first.outputs[n:] and readers[outer] == 1:
            v = made.outputs[first.outputs.index(outer)]
            if type(v) is Const or v.depth < made.depth or v in rows:
                return False
            rows[v] = inner
    if not rows:
        return False
    kept = _Kept(first, set(rows))
    kept.reduce()
    if not kept.is_worth_it():
        return False
    _rewrite(first, second, rows, kept)
    return True


def _bytes(values: Iterable[Value]) -> int:
    return sum(v.size * itemsize(v.dtype) for v in values)


class _Kept:
    """Which values of each step are kept. `values` are those, `wanted` those that the second loop reads."""

    def __init__(self, scan: Node, wanted: set[Value]) -> None:
        (body,), n = scan.blocks, scan.params["n_carry"]
        self.body, self.wanted = body, wanted
        self.given = set(body.inputs[n:])
        self.producer = {v: node for node in body.nodes if len(node.outputs) == 1 for v in node.outputs}
        self.computed: set[Value] = set()
        self.values = self._leaves(wanted)

    def is_outside(self, v: Value) -> bool:
        """Whether it is there without being kept."""
        return type(v) is Const or v.depth < self.body.depth or v in self.given

    def _leaves(self, values: Iterable[Value]) -> set[Value]:
        """What these are computed from, as things stand."""
        out: set[Value] = set()
        for v in values:
            if self.is_outside(v):
                continue
            node = self.producer.get(v)
            if node is not None and (node.op in SHAPES or v in self.computed):
                out |= self._leaves(node.inputs)
            else:
                out.add(v)
        return out

    def reduce(self) -> None:
        """Compute what takes more bytes than its operands that aren't kept already; then undo what saved nothing."""
        while self._step():
            pass
        for v in sorted(self.wanted & self.computed, key=lambda v: v.size):
            alone = self._leaves([v]) - self._leaves(self.wanted - {v})
            if _bytes(alone) >= _bytes([v]):
                self.computed.remove(v)
        self.values = self._leaves(self.wanted)

    def _step(self) -> bool:
        for v in sorted(self.values, key=lambda v: -v.size):
            node = self.producer.get(v)
            if node is None or node.op not in CHEAP:
                continue
            more = self._leaves(node.inputs) - self.values
            if _bytes(more) <= _bytes([v]):
                self.computed.add(v)
                self.values = self._leaves(self.wanted)
                return True
        return False

    def ordered(self) -> list[Value]:
        """What is kept, in the order of the body, so that a program is always the same."""
        every = [*self.body.inputs, *(v for node in self.body.nodes for v in node.outputs)]
        return [v for v in every if v in self.values]

    def nodes(self) -> list[Node]:
        """What the second loop computes, operands first."""
        needed = set(self.wanted) - self.values
        out = []
        for node in reversed(self.body.nodes):
            if len(node.outputs) == 1 and node.outputs[0] in needed and node.outputs[0] not in self.values:
                out.append(node)
                needed.update(v for v in node.inputs if not self.is_outside(v))
        return out[::-1]

    def is_worth_it(self) -> bool:
        """Whether half of the bytes are saved at least, and that is worth more than the operations."""
        saved = _bytes(self.wanted) - _bytes(self.values)
        operations = _bytes(node.outputs[0] for node in self.nodes() if node.op not in SHAPES)
        return 2 * saved >= _bytes(self.wanted) and operations <= MOST * saved


def _rewrite(first: Node, second: Node, rows: dict[Value, Value], kept: _Kept) -> None:
    (made,), (read,) = first.blocks, second.blocks
    m, length = second.params["n_carry"], first.params["length"]
    inside = dict(rows)
    sources, inputs = list(second.inputs), list(read.inputs)

    def pass_on(v: Value, source: Value) -> None:
        inside[v] = Value(v.shape, v.dtype, read.depth)
        sources.append(source)
        inputs.append(inside[v])

    for v in kept.ordered():
        if v in rows:
            continue
        stacked = Value((length, *v.shape), v.dtype, first.outputs[0].depth)
        first.outputs = (*first.outputs, stacked)
        made.outputs = [*made.outputs, v]
        pass_on(v, stacked)
    repeated = []
    for node in kept.nodes():
        for v in node.inputs:
            if v in kept.given and v not in inside:
                pass_on(v, first.inputs[made.inputs.index(v)])
        (v,) = node.outputs
        if v not in inside:
            inside[v] = Value(v.shape, v.dtype, read.depth)
        repeated.append(Node(node.op, [inside.get(x, x) for x in node.inputs], [inside[v]], node.params))
    computed = {inside[node.outputs[0]] for node in kept.nodes()}
    left = [k for k, v in enumerate(inputs) if k < m or v not in computed]
    second.inputs = tuple(sources[k] for k in left)
    read.inputs = [inputs[k] for k in left]
    read.nodes = [*repeated, *read.nodes]
    made.close()
    read.close()
