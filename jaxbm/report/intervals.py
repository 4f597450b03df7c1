"""How far a metric measured on a few rows can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxbm.core.words import counted

_Z = 1.959964
"""of the standard normal distribution's middle 95%"""
_RESAMPLES, _MOST_CELLS = 1000, 20_000_000


def wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share: `right` of `n`.

    With p = right / n and z = 1.96: (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2/n).

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.

    Example:
      >>> from jaxbm.report.intervals import wilson
      >>> [round(limit, 3) for limit in wilson(9, 10)]
      [0.596, 0.982]
    """
    p, z = right / n, _Z
    middle, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)
    return max(0.0, float(low)), min(1.0, float(high))


def bootstrap_rmse_r2(
    predictions: np.ndarray, targets: np.ndarray, seed: int = 0
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95% intervals of the root mean squared error and of R2, by drawing the rows again, with replacement.

    Args:
      predictions, targets: `[n]`.
      seed: of the draws.

    Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 1979; percentiles.
    """
    n = len(targets)
    errors = (np.asarray(predictions, np.float64) - targets) ** 2
    y = np.asarray(targets, np.float64) - np.mean(targets)
    draws = int(max(100, min(_RESAMPLES, _MOST_CELLS // n)))
    rng = np.random.default_rng(seed)
    mse, variance = np.empty(draws), np.empty(draws)
    for i in range(draws):
        rows = rng.integers(0, n, n)
        mse[i], variance[i] = errors[rows].mean(), y[rows].var()
    r2 = 1 - mse[variance > 0] / variance[variance > 0]
    limits = [2.5, 97.5]
    low, high = np.sqrt(np.percentile(mse, limits))
    r2_low, r2_high = np.percentile(r2, limits) if len(r2) else (np.nan, np.nan)
    return (float(low), float(high)), (float(r2_low), float(r2_high))


def class_line(p: np.ndarray, labels: np.ndarray, name: str, classes: Sequence[Any] = ()) -> str:
    """The accuracy's interval in a sentence, and what to do where it is wide.

    Args:
      p: probabilities `[n, classes]`.
      labels: class numbers `[n]`.
      name: what the rows are called.
      classes: their names.
    """
    predicted = p.argmax(axis=1)
    n, right = len(labels), int((predicted == labels).sum())
    low, high = wilson(right, n)
    line = f"{name} accuracy {right / n:.3f}, 95% interval {low:.3f} to {high:.3f} ({counted(n, 'row')})"
    counts = np.bincount(labels.astype(int), minlength=p.shape[1])
    if high - low > 0.1:
        line += "\nwarning: so few rows tell little; take more of them for the test, or cross-validate"
    elif counts.min() < 10:
        line += f"\nwarning: a class has {counts.min()} of these rows; what is said of it alone tells little"
    if len(classes) and (counts > 0).sum() > 1 and (predicted == predicted[0]).all():
        line += (
            f"\nwarning: every one of these rows is predicted {classes[predicted[0]]}; trained with --class-weight "
            "balanced (class_weight='balanced'), rows of rare classes count more"
        )
    return line


def regression_line(predictions: np.ndarray, targets: np.ndarray, name: str) -> str:
    """The same for a quantity: RMSE and R2."""
    if len(targets) < 3:
        return f"{name}: {counted(len(targets), 'row')}, too few for an interval\nwarning: so few rows tell nothing"
    (low, high), (r2_low, r2_high) = bootstrap_rmse_r2(predictions, targets)
    line = f"{name} RMSE, 95% interval {low:.4g} to {high:.4g}, R2 {r2_low:.3f} to {r2_high:.3f}"
    line += f" ({counted(len(targets), 'row')})"
    if high > 1.5 * low or r2_high - r2_low > 0.2:
        line += "\nwarning: so few rows tell little; take more of them for the test, or cross-validate"
    return line
