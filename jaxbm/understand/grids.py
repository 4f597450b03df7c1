"""The values that a column takes, and what they are as features."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxbm.core import arrays, checks
from jaxbm.core.names import unknown
from jaxbm.understand.predictor import Predictor


class Rows:
    """The rows that are asked about: their features, and the values of their columns where there is a table."""

    def __init__(self, asked: Predictor, x: Any, features: np.ndarray):
        self.asked, self.features = asked, features
        self.frame = x if hasattr(x, "columns") else None

    def values(self, name: str, places: list[int]) -> np.ndarray:
        """`[n]` in the column's own units, or `[n, features]` of a group without a table."""
        if self.frame is None:
            return self.features[:, places[0]] if len(places) == 1 else self.features[:, places]
        if name not in self.frame.columns:
            raise unknown("columns", name, map(str, self.frame.columns))
        return self._read(name)

    def _read(self, name: str) -> np.ndarray:
        """The cells as training understood them: numbers, dates and times of day may be spelled as text."""
        frame: Any = self.frame
        plain = frame[name].to_numpy()
        prep = self.asked.preparation
        kind = next((column.kind for column in prep.columns if column.name == name), None)
        if plain.dtype.kind in "iufMm" or kind not in ("number", "date", "time"):
            return plain
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # features_of told it
            numbers = prep.column_numbers(name, frame)
        if kind == "number":
            return numbers
        known = np.isfinite(numbers)
        unit = "datetime64[s]" if kind == "date" else "timedelta64[s]"
        found = np.full(len(numbers), "NaT", unit)
        found[known] = np.round(numbers[known]).astype(np.int64).astype(unit)
        return found

    def asked_for(self, name: str, grid: Any) -> np.ndarray:
        """`[k]`, values of a column that somebody wants; numbers where the features are an array.

        Raises:
          ValueError, TypeError: they are none.
        """
        values = arrays.given("grid", grid) if self.frame is not None else arrays.host_real("grid", grid)
        if values.ndim == 0 or not len(values):
            got = "none" if values.ndim else checks.told(grid)
            raise ValueError(f"grid: expected values of {name!r}, got {got}")
        if self.frame is None:
            checks.finite("grid", values)
        return values

    def encoded(self, name: str, places: list[int], values: np.ndarray) -> np.ndarray:
        """`[k, in]`: rows whose features at `places` say that the column has these values."""
        rows = np.zeros((len(values), self.features.shape[1]), self.features.dtype)
        if self.frame is None:
            rows[:, places] = np.reshape(values, (len(values), len(places)))
            return rows
        line = self.frame[[name]].iloc[np.zeros(len(values), int)].copy()
        line[name] = values
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values that training did not see: somebody asks for them
            rows[:, places] = self.asked.preparation.column_features(name, line)
        return rows


def is_number(values: np.ndarray) -> bool:
    """Whether the values have an order and distances."""
    return values.ndim == 1 and values.dtype.kind in "iuf"


def grid_of(name: str, values: np.ndarray, points: int, percentiles: Iterable[float]) -> np.ndarray:
    """All values where they are few, else `points` evenly spaced ones between two percentiles, as in scikit-learn.

    Raises:
      ValueError: there are too many values without an order, or none at all.
    """
    if values.ndim == 2:
        distinct = np.unique(values, axis=0)
    elif values.dtype.kind == "O":
        distinct = np.asarray(sorted({v for v in values if v is not None and v == v}, key=str), dtype=object)
    else:
        known = values[~np.isnan(values)] if values.dtype.kind in "fMm" else values
        distinct = np.unique(known)
    if not len(distinct):
        raise ValueError(f"columns: expected values in {name!r}, got none that is not missing")
    if len(distinct) < points:
        return distinct
    if not is_number(values) and values.dtype.kind not in "Mm":
        raise ValueError(
            f"columns: expected fewer than grid_points={points} different values in {name!r}, which has no order, "
            f"got {len(distinct)}; give a grid, or more grid_points"
        )
    low, high = (quantile(known if is_number(values) else known.astype(np.int64), p) for p in percentiles)
    if np.isclose(low, high):
        raise ValueError(f"percentiles: expected two that differ in {name!r}, both are {low:.4g}; widen them")
    grid = np.linspace(low, high, points)
    return grid if is_number(values) else np.round(grid).astype(np.int64).astype(values.dtype)


def quantile(values: np.ndarray, p: float) -> float:
    """Cunnane's quantile, by plotting positions `(k - 0.4) / (n + 0.2)`, which scikit-learn's grids start from."""
    ordered, n = np.sort(np.asarray(values, np.float64)), len(values)
    if n == 1:
        return float(ordered[0])
    position = n * p + 0.4 + p * (1 - 0.4 - 0.4)
    below = int(np.floor(np.clip(position, 1, n - 1)))
    share = np.clip(position - below, 0, 1)
    return float((1 - share) * ordered[below - 1] + share * ordered[below])
