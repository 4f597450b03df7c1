"""Features of a number beside the number itself, so that a small network sees thresholds and waves in it at once."""

from __future__ import annotations

import numpy as np

from jaxbm.core.names import unknown
from jaxbm.table.columns import Column

ENCODINGS = ("standard", "robust", "piecewise", "fourier")
BINS = 16
FREQUENCIES = 16
_SPREAD = 0.3
"""standard deviation of the frequencies, in turns per interquartile range"""


def check_encoding(name: str) -> None:
    """ValueError unless it is one of `ENCODINGS`."""
    if name not in ENCODINGS:
        raise unknown("numbers", name, ENCODINGS)


def center_and_scale(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of float64 `[n]`; 1 for numbers that are all the same.

    Example:
      >>> import numpy as np
      >>> from jaxbm.table.number_encodings import center_and_scale
      >>> center_and_scale(np.asarray([1.0, 3.0])), center_and_scale(np.full(3, 0.1))
      ((2.0, 1.0), (0.1, 1.0))
    """
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if low == high:  # of which rounding would make a deviation
        return low, 1.0
    center, scale = float(values.mean()), float(values.std())
    if scale < 1e-150:  # squares underflow
        size = float(np.abs(values - center).max())
        scale = size * float(((values - center) / size).std())
    return center, scale or 1.0


def learn_encoding(column: Column, known: np.ndarray, filled: np.ndarray, encoding: str, count: int) -> None:
    """Fill in what a number column's encoding needs, from training rows.

    Args:
      column: gets center and scale, and edges, or frequencies and phases.
      known: float64 `[m]`, the cells that aren't missing.
      filled: float64 `[n]`, all cells, the median in place of missing ones.
      encoding: one of `ENCODINGS`.
      count: of the bins, or of the frequencies.
    """
    column.encoding = encoding
    if encoding in ("standard", "piecewise"):
        column.center, column.scale = center_and_scale(filled)
    else:
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (0.0, 0.0, 0.0)
        spread = high - low if high > low else float(np.ptp(known)) / 2 if len(known) else 0.0
        column.center, column.scale = float(middle), float(spread) or 1.0
    if encoding == "piecewise" and len(known):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)))
        column.edges = edges.tolist() if len(edges) > 2 else []  # two values: the number itself says it all
    if encoding == "fourier":
        # The same for the same name: two columns differ, a table that is prepared again doesn't.
        rng = np.random.default_rng(list(column.name.encode()))
        column.frequencies = rng.normal(0, _SPREAD, count).tolist()
        column.phases = rng.uniform(-np.pi, np.pi, count).tolist()


def number_features(column: Column, filled: np.ndarray) -> np.ndarray:
    """float64 `[n, features]` of a number column without missing cells.

    - "standard": z = (x - mean) / deviation.
    - "robust": r = z / sqrt(1 + (z / 3)^2) with z = (x - median) / interquartile range: extreme values stay within 3.
    - "piecewise": "standard" and, for each bin between quantiles, how far x has come through it, from -1/2 to 1/2:
      clip((x - low) / (high - low), 0, 1) - 1/2.
    - "fourier": "robust" and cos(2 pi w r + b), with fixed random frequencies w and phases b.

    Source: Gorishniy, Rubachev, Babenko, On embeddings for numerical features in tabular deep learning, NeurIPS 2022
    (piecewise linear); Rahimi, Recht, Random features for large-scale kernel machines, NIPS 2007; Holzmueller,
    Grinsztajn, Steinwart, Better by default, NeurIPS 2024 (robust scale and smooth clipping).

    Example:
      >>> import numpy as np
      >>> from jaxbm.table.columns import Column
      >>> from jaxbm.table.number_encodings import number_features
      >>> column = Column("x", "number", encoding="piecewise", edges=[0.0, 1.0, 3.0])
      >>> number_features(column, np.asarray([0.5, 2.0])).tolist()
      [[0.5, 0.0, -0.5], [2.0, 0.5, 0.0]]
    """
    z = (filled - column.center) / column.scale
    if column.encoding in ("robust", "fourier"):
        z = z / np.sqrt(1 + (z / 3) ** 2)
    parts = [z[:, None]]
    if column.edges:
        low, high = np.asarray(column.edges[:-1]), np.asarray(column.edges[1:])
        parts.append(np.clip((filled[:, None] - low) / (high - low), 0, 1) - 0.5)
    if column.frequencies:
        parts.append(np.cos(2 * np.pi * z[:, None] * np.asarray(column.frequencies) + np.asarray(column.phases)))
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
