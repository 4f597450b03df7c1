"""How a product's elements stand in memory: by columns where nothing but a transpose reads it.

The gradient of `x @ w` by `w` is such a one: JAX computes the transpose of what is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from jaxbm.kernels.program.ir import Node, Value


def by_columns(nodes: Sequence[Node], uses: Mapping[Value, int]) -> set[Value]:
    """The results, (batch, m, n), of those products among a block's nodes that are read with n before m alone."""
    reader = {v: node for node in nodes for v in node.inputs if uses.get(v) == 1}
    return {node.outputs[0] for node in nodes if node.op == "dot" and _is_transposed(node.outputs[0], reader)}


def _is_transposed(product: Value, reader: Mapping[Value, Node]) -> bool:
    value, (batch, m, n) = product, product.shape
    if m == 1 or n == 1:
        return False
    while value in reader and reader[value].op in ("reshape", "convert_element_type"):
        value = reader[value].outputs[0]
    node = reader.get(value)
    if node is None or node.op != "transpose":
        return False
    first, second = _leading(value.shape, batch), _leading(value.shape, batch * m)
    if first is None or second is None:
        return False
    axes = range(len(value.shape))
    return tuple(node.params["permutation"]) == (*axes[:first], *axes[second:], *axes[first:second])


def _leading(shape: Sequence[int], size: int) -> int | None:
    """How many axes at the front have so many elements; None where no number of them has."""
    return next((k for k in range(len(shape) + 1) if math.prod(shape[:k]) == size), None)
