"""What is said of one option of a training run: its role, default, range and meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

INF = float("inf")
REQUIRED: Any = object()
"""The default of an option that has none."""

STATIC = "static"
"""Fixes the compiled program: a field of `Task`."""
NUMBER = "number"
"""An array of the run, which members may have their own of: a field of `Hyper`."""
OPTIMIZER = "optimizer"
"""Numbers where it is data, static where it is functions."""
ROWS = "rows"
"""Decides which rows are visited, and how much each counts."""
START = "start"
"""Where training begins."""
EXECUTION = "execution"
"""How the run is carried out; the results don't depend on it, but for rounding."""


@dataclass(frozen=True)
class Option:
    """One option of a training run.

    Args:
      default: what it is where nobody says; `REQUIRED` where somebody must.
      role: STATIC, NUMBER, OPTIMIZER, ROWS, START or EXECUTION.
      help: its meaning; the first clause alone is the command line's help.
      many: its meaning in the many-member forms, where that is another.
      convert: for a static option, `(name, value)` to what `Task` holds; checks it.
      low, high, open_high: for a number, its range.
      whole: for a number, that it is a whole one.
      beside: for a number, the option without which it has no meaning and is left out.
      searched: for a static option, that a sweep may search it; it may search every number.
      no_parameter: why scikit-learn's interface has no parameter for it; None where it has one.
    """

    default: Any
    role: str
    help: str
    many: str | None = None
    convert: Callable[[str, Any], Any] = lambda name, value: value
    low: float = 0.0
    high: float = INF
    open_high: bool = False
    whole: bool = False
    beside: str | None = None
    searched: bool = False
    no_parameter: str | None = None

    @property
    def brief(self) -> str:
        """The first clause of its meaning, without a bracket that it does not close."""
        told = self.help.split("; ")[0].split(". ")[0].removesuffix(".")
        before, bracket, inside = told.rpartition("(")
        return before.rstrip() if bracket and ")" not in inside else told
