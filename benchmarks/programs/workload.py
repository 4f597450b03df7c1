"""A workload: a function, its arguments, and how many steps one call does."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxbm.benchmarks.work import Work


class Program(NamedTuple):
    """What is run: `function(*arguments)`."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """One program by the name of the function that makes it.

    Args:
      name: for the record.
      make: "module:function" under `jaxbm.benchmarks.programs`; called with `unroll`.
      steps: of its loop, in one call.
      x64: whether it computes in float64.
    """

    name: str
    make: str
    steps: int
    x64: bool = False
    unit: str = "step"

    @property
    def units(self) -> int:
        return self.steps

    def work(self, cache: float) -> Work | None:
        del cache
        return None

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "steps": self.steps, "x64": self.x64}

    def program(self, unroll: int = 1) -> Program:
        """The function and its arguments."""
        module, _, function = self.make.partition(":")
        found: Callable[..., Program] = getattr(
            importlib.import_module(f"jaxbm.benchmarks.programs.{module}"), function
        )
        return found(self.steps, unroll)
