"""The order in which nodes are written: costly operations on scalars that don't depend on one another stand together.

They become vectors then: eight exponentials of float32 take about as long as one.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxbm.kernels.program.arithmetic import PACKED
from jaxbm.kernels.program.ir import Block, Node, Value
from jaxbm.kernels.program.lazy import is_few

WORTH = 2
"""Elements of one operation at one depth from which on the nodes are reordered."""


def scheduled(block: Block) -> Sequence[Node]:
    """The nodes of a block, reordered where that lets operations be packed."""
    depth: dict[Value, int] = {}
    keys: list[tuple[int, bool, str]] = []
    found: dict[tuple[int, bool, str], int] = {}
    for node in block.nodes:
        d = max([depth.get(v, 0) for v in node.reads()], default=0)
        packed = is_packed(node)
        key = (d, packed, f"{node.op} {node.outputs[0].dtype}" if packed else "")
        if packed:
            found[key] = found.get(key, 0) + node.outputs[0].size
        keys.append(key)
        for v in node.outputs:
            depth[v] = d + packed
    if sum(key[1] for key in keys) < 2 or not any(n >= WORTH for n in found.values()):
        return block.nodes
    if any(not is_few(v.shape) for node in block.nodes for v in node.outputs):
        return block.nodes
    return [block.nodes[k] for k in sorted(range(len(keys)), key=keys.__getitem__)]


def is_packed(node: Node) -> bool:
    """Whether a node's scalars are worth packing with those of other nodes."""
    return node.op in PACKED and is_few(node.outputs[0].shape)


def run_at(nodes: Sequence[Node], k: int) -> int:
    """How many nodes from the k-th on can be written as one: the same operation, none reading another's result."""
    first = nodes[k]
    if not is_packed(first):
        return 1
    made = set(first.outputs)
    end = k + 1
    while end < len(nodes):
        node = nodes[end]
        same = node.op == first.op and node.outputs[0].dtype == first.outputs[0].dtype
        if not same or not is_packed(node) or not made.isdisjoint(node.inputs):
            break
        made.update(node.outputs)
        end += 1
    return end - k
