"""Which programs are faster natively: an estimate of the work from shapes.

A compiled program runs on one core. Where most of its time goes into operations that are large by themselves, XLA's
threads are ahead; where it goes into small ones, the time between XLA's kernels is what counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxbm.kernels.program.arithmetic import COST
from jaxbm.kernels.program.ir import Block, Node

LARGE_PRODUCT = 1 << 24
"""Multiply-adds of one product (256 cubed) from which on XLA shares it among threads to advantage."""
LARGE_CONVOLUTION = 1 << 23
"""Those of a convolution, of which it makes fewer passes over memory."""
LARGE_ARRAY = 1 << 21
"""Elements, weighted by what is computed for each, from which on XLA's threads are ahead."""
LARGE_SIZE = 1 << 20
"""Elements from which on they are, whatever is computed: memory is waited for."""
LESS_EXACT = {"tanh": 1 << 14, "erf": 1 << 9}
"""Elements in single precision from which on XLA's own functions, which are right to five units in the last place
instead of two, save more time than passes between its kernels."""
LONGER = frozenset({"erf", "cbrt"})
"""Functions in single precision that take longer to come out than XLA's, which a loop of one scalar waits for."""
LARGE_GATHER = 1 << 17
"""Single elements from other places from which on its loop over them is ahead."""
SERIAL = frozenset({"sort", "top_k", "argreduce", "cumulative"})
"""What XLA does on one thread as well, and never faster."""
LONG_PRODUCT, LONG_ARRAY = 1 << 9, 1 << 6
"""Multiply-adds, and elements, from which on an operation's loop is long: it runs as it was written."""
MOSTLY = 0.95
"""The share of a program's work in long loops from which on LLVM's costly passes gain nothing."""
UNKNOWN_LENGTH = 10
"""Passes that a `while` is taken to make."""
LANES = 8


class Work(NamedTuple):
    """An estimate for one call, in operations of one lane: in all, in large ones, in those with long loops."""

    total: float
    large: float
    long: float = 0.0

    @property
    def is_large(self) -> bool:
        """Whether most of the work is in large operations."""
        return self.large > 0.5 * self.total

    @property
    def is_long(self) -> bool:
        """Whether nearly all of the work is in long loops."""
        return self.long > MOSTLY * self.total


def of_block(block: Block) -> Work:
    """The work of one run of a block."""
    return _sum([_of_node(node) for node in block.nodes])


def _sum(works: Sequence[Work], times: float = 1.0) -> Work:
    return Work(*[times * sum(parts) for parts in zip(*works, strict=True)]) if works else Work(0.0, 0.0)


def _of_node(node: Node) -> Work:
    if node.blocks:
        inner = [of_block(b) for b in node.blocks]
        if node.op == "switch":
            return max(inner)
        times = node.params.get("length", UNKNOWN_LENGTH)
        work = _sum(inner, times)
        # XLA has a kernel for all of it.
        is_large = node.params.get("is_convolution", False) and work.total >= LARGE_CONVOLUTION
        return work._replace(large=work.total) if is_large or _is_chain(node) else work
    operations = _operations(node)
    long = LONG_PRODUCT if node.op == "dot" else LONG_ARRAY
    return Work(
        operations, operations if _is_large(node, operations) else 0.0, operations if operations >= long else 0.0
    )


def _is_chain(node: Node) -> bool:
    """Whether it is a loop over single numbers, most of whose work is in functions of `LONGER`."""
    inner = [n for block in node.blocks for n in block.nodes]
    if any(n.blocks or any(v.size > 1 for v in n.outputs) for n in inner):
        return False
    longer = sum(_operations(n) for n in inner if n.op in LONGER and n.outputs[0].dtype == "float32")
    return longer > 0.5 * sum(map(_operations, inner))


def _is_large(node: Node, operations: float) -> bool:
    if node.op == "dot":
        return operations >= LARGE_PRODUCT
    if node.op in SERIAL:
        return False
    size = max([v.size for v in node.outputs], default=0)
    if node.op in LESS_EXACT and node.outputs[0].dtype != "float64" and size >= LESS_EXACT[node.op]:
        return True
    if _is_scattered(node) and size >= LARGE_GATHER:
        return True
    return operations >= LARGE_ARRAY or size >= LARGE_SIZE


def _is_scattered(node: Node) -> bool:
    """Whether it reads single elements from other places."""
    return node.op == "gather" and math.prod(node.params["sizes"]) == 1


def _operations(node: Node) -> float:
    size = max([v.size for v in (*node.outputs, *node.inputs)], default=0)
    if node.op == "dot":
        return node.outputs[0].size * node.inputs[0].shape[-1]
    if node.op == "sort":
        return size * max(1.0, math.log2(node.inputs[0].shape[node.params["axis"]])) * 4
    if node.op in ("cholesky", "lu", "geqrf", "householder_product", "eigh", "svd", "triangular_solve"):
        return size * max(node.inputs[0].shape[-2:])
    if node.op in ("broadcast", "reshape", "transpose", "slice", "rev", "affine", "dynamic_slice"):
        return node.outputs[0].size * 0.25
    if node.op in ("dynamic_update_slice", "scatter"):
        return node.inputs[-1].size
    return size * (4 if _is_scattered(node) else COST.get(node.op, 1))


def reason_for_xla(block: Block) -> str | None:
    """Why XLA would be faster; None where the native program is."""
    work = of_block(block)
    if work.is_large:
        return (
            "most of its work is in large arrays, where XLA's threads are faster, or in tanh or erf of many numbers, "
            "where its less exact functions are, or in a scalar's chain of erf or cube roots"
        )
    return None


def parallel_from(block: Block) -> int:
    """How many members make it worth waking other threads, about 20 microseconds of work."""
    per_member = max(of_block(block).total, 1.0) / LANES / 2e9
    return max(2, math.ceil(20e-6 / per_member))
