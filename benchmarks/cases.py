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
        return {"adam": "parameter", "adamw": "parameter", "permutation": "row"}.get(self.name, "row")

    @property
    def units(self) -> int:
        return self.shape[0]

    def work(self, cache: float) -> Work | None:
        del cache
        if self.name == "forward":
            return work.forward(self.sizes, self.shape[0])
        if self.name == "backward":
            return work.backward(self.sizes, self.shape[0])
        if self.name in ("adam", "adamw"):
            return work.adam(self.shape[0])
        if self.name in FLOPS_OF_LOSS:
            return work.elementwise(math.prod(self.shape), reads=2, writes=1, flops=FLOPS_OF_LOSS[self.name])
        return None

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "shape": self.shape, "sizes": self.sizes}


FLOPS_OF_LOSS = {"squared_error": 2, "huber_loss": 6, "sigmoid_binary_cross_entropy": 8}
"""additions and multiplications per element; exponentials and logarithms count as one"""


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
