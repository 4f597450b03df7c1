"""The cases of contests that train nothing: an operation of some size, a whole process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jaxbm.benchmarks import work
from jaxbm.benchmarks.work import Work


@dataclass(frozen=True)
class Operation:
    """One operation on arrays of a shape, or on a network of given widths.

    Args:
      name: which operation.
      shape: of its main argument; its rows are the units unless there are none.
      sizes: widths of the network, for passes through one.
    """

    name: str
    shape: tuple[int, ...]
    sizes: tuple[int, ...] = ()

    @property
    def unit(self) -> str:
        return "parameter" if self.name in ("adam", "adamw") else "row"

    @property
    def units(self) -> int:
        return self.shape[0]

    def work(self, cache: float) -> Work:
        """By formula; where next to no arithmetic is done, what is read and written alone."""
        del cache
        rows, elements = self.shape[0], math.prod(self.shape)
        if self.name in ("forward", "predict"):
            return work.forward(self.sizes, rows)
        if self.name == "backward":
            return work.backward(self.sizes, rows)
        if self.name in ("adam", "adamw"):
            return work.adam(rows)
        if self.name in FLOPS_OF_LOSS:
            # Logits and labels in, gradients out; a label is a number for each row where classes are numbered.
            labels = rows if self.name.endswith("integer_labels") else elements
            return Work(FLOPS_OF_LOSS[self.name] * elements, work.FLOAT * (2 * elements + labels))
        if self.name == "permutation":
            return Work(0, work.FLOAT * rows)
        if self.name == "table":
            # Cells of 8 bytes in; float32 features, about one for each cell, and labels out.
            return Work(0, (8 + work.FLOAT) * elements)
        return Work(0, 2 * work.FLOAT * elements)  # a metric: predictions and labels in

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "shape": self.shape, "sizes": self.sizes}


FLOPS_OF_LOSS = {
    "squared_error": 2,
    "huber_loss": 6,
    "sigmoid_binary_cross_entropy": 8,
    "sigmoid_focal_loss": 12,
    "softmax_cross_entropy_with_integer_labels": 5,
}
"""additions and multiplications per element, of value and gradient; exponentials and logarithms count as one"""


@dataclass(frozen=True)
class Process:
    """A whole process, from its start to its end."""

    name: str
    unit: str = "run"
    units: int = 1

    def work(self, cache: float) -> Work | None:
        del cache
        return None

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}
