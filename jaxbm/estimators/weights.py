"""Weights of samples, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

LEAST, MOST = 1e-30, 1e30
"""The largest weight is between them: a sum of products with numbers near 1 is within float32."""


def sample_weights(given: Any, X: Any, name: str = "sample_weight") -> np.ndarray | None:
    """float64 `[n]`, or None where none are given.

    Args:
      given: of the rows of `X`.
      X: features.
      name: of the argument, for errors.

    Raises:
      ValueError: as scikit-learn's, or a weight is negative, or they are beyond float32, in which training computes.
    """
    if given is None:
        return None
    weight = _check_sample_weight(given, X, dtype=np.float64)
    if not (weight >= 0).all():
        low = np.flatnonzero(~(weight >= 0))
        raise ValueError(f"{name}: expected nonnegative weights, got {len(low)} others, the first in row {low[0]}")
    check_range(weight, name)
    return weight


def check_range(weight: np.ndarray, name: str) -> None:
    """ValueError where weights `[n]` are beyond float32, or so small that a sum of them is."""
    if not LEAST <= weight.max() <= MOST:
        raise ValueError(
            f"{name}: expected weights up to a number between {LEAST:g} and {MOST:g}, within the range of float32, "
            f"in which training computes, got {weight.max():g} as the largest"
        )
