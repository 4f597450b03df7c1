"""Search spaces: what a hyper-parameter may be, and how trials are drawn from all of them together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxbm.core import checks
from jaxbm.core.checks import is_several, told
from jaxbm.core.extras import needs
from jaxbm.core.names import lookup

METHODS = ("random", "sobol", "grid")


@dataclass(frozen=True)
class Uniform:
    """Evenly between `low` and `high`.

    Example:
      >>> from jaxbm.studies.space import Uniform
      >>> Uniform(0.0, 0.5).at(0.5)
      0.25
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        checks.one_number("low", self.low)
        checks.one_number("high", self.high)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"space: expected low < high, got {self.low} and {self.high}")

    def at(self, u: float) -> float:
        """The value below which a fraction `u` in `[0, 1]` lies."""
        return self.low + u * (self.high - self.low)

    def grid(self, points: int) -> list[Any]:
        """`points` values, both ends among them."""
        return [self.at(u) for u in (np.linspace(0, 1, points) if points > 1 else [0.5])]


@dataclass(frozen=True)
class LogUniform(Uniform):
    """Evenly on a logarithmic scale; both ends positive.

    Example:
      >>> from jaxbm.studies.space import LogUniform
      >>> round(LogUniform(1e-4, 1e-2).at(0.5), 6)
      0.001
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise ValueError(f"space: expected positive ends on a logarithmic scale, got {self.low}")

    def at(self, u: float) -> float:
        """The value below which a fraction `u` in `[0, 1]` lies."""
        return math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))


@dataclass(frozen=True)
class Integers(Uniform):
    """Whole numbers, `low` and `high` among them.

    Example:
      >>> from jaxbm.studies.space import Integers
      >>> Integers(1, 4).grid(9)
      [1, 2, 3, 4]
    """

    def at(self, u: float) -> int:
        """The value below which a fraction `u` in `[0, 1]` lies."""
        return int(min(self.high, math.floor(self.low + u * (self.high - self.low + 1))))

    def grid(self, points: int) -> list[Any]:
        """At most `points` of them, both ends among them."""
        values = np.linspace(self.low, self.high, min(points, int(self.high - self.low) + 1))
        return sorted({round(value) for value in values})


@dataclass(frozen=True)
class Choice:
    """One of some values.

    Example:
      >>> from jaxbm.studies.space import Choice
      >>> Choice(((32,), (64, 32))).at(0.7)
      (64, 32)
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not is_several(self.values):
            raise TypeError(f"values: expected some to choose from, got {told(self.values)}")
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ValueError("space: expected at least one value to choose from, got none")

    def at(self, u: float) -> Any:
        """The value below which a fraction `u` in `[0, 1]` of them lies."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def grid(self, points: int) -> list[Any]:
        """All of them."""
        del points
        return list(self.values)


Dimension = Uniform | Choice
Space = Mapping[str, Dimension | Sequence[Any] | float]


def dimensions(space: Space) -> dict[str, Dimension]:
    """Sequences become a `Choice`, single values a `Choice` of one.

    Raises:
      ValueError: the space is empty.
    """
    if not space:
        raise ValueError("space: expected at least one hyper-parameter, got none")

    def dimension(value: Any) -> Dimension:
        if isinstance(value, Uniform | Choice):
            return value
        return Choice(tuple(value)) if isinstance(value, list | tuple | np.ndarray) else Choice((value,))

    return {name: dimension(value) for name, value in space.items()}


def draw_trials(
    space: Space, trials: int, *, method: str = "random", seed: int = 0, grid_points: int = 5
) -> list[dict[str, Any]]:
    """Trials from a search space.

    Args:
      space: name -> `Uniform`, `LogUniform`, `Integers`, `Choice`, a list to choose from, or one value.
      trials: how many; "grid" takes every combination instead.
      method: "random" (independent), "sobol" (scrambled Sobol points, which cover the space more evenly) or "grid".
      seed: of the draws.
      grid_points: values of each continuous dimension in a grid.

    Raises:
      ValueError: the method is unknown, or the space is empty.

    Example:
      >>> from jaxbm.studies.space import LogUniform, draw_trials
      >>> trials = draw_trials({"learning_rate": LogUniform(1e-3, 1e-1), "hidden": [(8,), (16,)]}, 0, method="grid",
      ...     grid_points=3)
      >>> len(trials), trials[0]["hidden"]
      (6, (8,))

    Source: Bergstra and Bengio (2012) for random search; Owen (1998) for scrambled Sobol points.
    """
    lookup("method", method, dict.fromkeys(METHODS))
    grid_points = checks.positive_int("grid_points", grid_points)
    parts = dimensions(space)
    if method == "grid":
        combinations = itertools.product(*(part.grid(grid_points) for part in parts.values()))
        return [dict(zip(parts, values, strict=True)) for values in combinations]
    trials = checks.positive_int("trials", trials)
    points = _sobol(trials, len(parts), seed) if method == "sobol" else _random(trials, len(parts), seed)
    return [{name: part.at(float(u)) for (name, part), u in zip(parts.items(), row, strict=True)} for row in points]


def given_trials(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Trials that somebody else chose.

    Raises:
      ValueError: there are none, or they don't all have the same names.

    Example:
      >>> from jaxbm.studies.space import given_trials
      >>> given_trials([{"l2": 0.0}, {"l2": 1e-3}])
      [{'l2': 0.0}, {'l2': 0.001}]
    """
    if not isinstance(points, list | tuple) or not all(isinstance(point, Mapping) for point in points):
        raise TypeError(f"space: expected values by name, or a list of points {{name: value}}, got {told(points)}")
    trials = [dict(point) for point in points]
    if not trials:
        raise ValueError("space: expected at least one point, got none")
    for i, trial in enumerate(trials):
        if trial.keys() != trials[0].keys():
            raise ValueError(
                f"space: expected points with the names {sorted(trials[0])}, got {sorted(trial)} in point {i}"
            )
    return trials


def _random(trials: int, dimensions: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((trials, dimensions))


@needs("the method sobol")
def _sobol(trials: int, dimensions: int, seed: int) -> np.ndarray:
    from scipy.stats import qmc

    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    return engine.random_base2(max(0, trials - 1).bit_length())[:trials]  # balanced in powers of two


def parse(words: Sequence[str], convert: Any = float) -> Dimension:
    """A dimension as the command line writes it: `log:1e-4:1e-1`, `uniform:0:0.5`, `int:2:8`, or some values.

    Raises:
      ValueError: the words make no sense.

    Example:
      >>> from jaxbm.studies.space import parse
      >>> parse(["log:1e-4:1e-1"])
      LogUniform(low=0.0001, high=0.1)
      >>> parse(["16", "32"], int)
      Choice(values=(16, 32))
    """
    kinds: dict[str, Any] = {"log": LogUniform, "uniform": Uniform, "int": Integers}
    if len(words) == 1 and ":" in words[0]:
        kind, *ends = words[0].split(":")
        if kind not in kinds or len(ends) != 2:
            raise ValueError(f"space: expected log:LOW:HIGH, uniform:LOW:HIGH or int:LOW:HIGH, got {words[0]!r}")
        low, high = (_number(end, int if kind == "int" else float) for end in ends)
        return kinds[kind](low, high)
    return Choice(tuple(_number(word, convert) for word in words))


def _number(word: str, convert: Any) -> Any:
    try:
        return convert(word)
    except ValueError:
        what = "a whole number" if convert is int else "a number"
        raise ValueError(f"space: expected {what}, or a range such as log:LOW:HIGH, got {word!r}") from None
