"""Greedy ensemble selection: which members, how often, make the best average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxbm.core.checks import positive_int
from jaxbm.core.names import lookup

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`[...]`: mean negative log-probability of the labels, from probabilities `[..., n, classes]`."""
    picked = probabilities[..., np.arange(len(labels)), labels.astype(int)]
    return -np.log(np.maximum(picked, np.finfo(np.float32).tiny)).mean(axis=-1)


def error_rate(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`[...]`: fraction of labels that are not the most probable class."""
    return (probabilities.argmax(axis=-1) != labels).mean(axis=-1)


def squared_error(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`[...]`: mean squared difference, from predictions `[..., n, out]`."""
    labels = labels.reshape(len(labels), -1)
    return np.square(predictions - labels).mean(axis=(-1, -2))


SCORES: dict[str, Score] = {"log_loss": log_loss, "error_rate": error_rate, "squared_error": squared_error}


def greedy_selection(
    predictions: np.ndarray, labels: np.ndarray, *, score: str | Score = "log_loss", size: int = 50
) -> np.ndarray:
    """How often each member is taken into an ensemble that averages predictions.

    Starting from nothing, the member whose addition makes the average best is added, with replacement, `size` times;
    the best of the ensembles on the way is the result.

    Args:
      predictions: `[M, n, k]`: probabilities of classes, or outputs.
      labels: `[n]` or `[n, k]`.
      score: "log_loss", "error_rate", "squared_error", or a function `(predictions [..., n, k], labels) -> [...]`;
        less is better.
      size: rounds.

    Returns:
      int64 `[M]`, with a sum of at most `size`.

    Raises:
      ValueError: shapes don't fit or the score is unknown.

    Example:
      >>> import numpy as np
      >>> from jaxbm.members.selection import greedy_selection
      >>> outputs = np.asarray([[[1.0]], [[3.0]], [[9.0]]])  # 1 and 3 average to the label
      >>> greedy_selection(outputs, np.asarray([2.0]), score="squared_error").tolist()
      [1, 1, 0]

    Source: Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models" (2004).
    """
    judge = score if callable(score) else lookup("score", score, SCORES)
    size = positive_int("size", size)
    predictions, labels = np.asarray(predictions, np.float64), np.asarray(labels)
    if predictions.ndim != 3 or predictions.shape[1] != len(labels):
        raise ValueError(f"predictions: expected shape [M, {len(labels)}, k], got {list(predictions.shape)}")
    counts, best_counts, best = np.zeros(len(predictions), np.int64), None, np.inf
    total = np.zeros(predictions.shape[1:])
    for taken in range(1, size + 1):
        values = judge((total + predictions) / taken, labels)
        k = int(np.argmin(values))
        total, counts[k] = total + predictions[k], counts[k] + 1
        if values[k] < best:
            best, best_counts = values[k], counts.copy()
    if best_counts is None:
        raise ValueError("predictions: expected a finite score for at least one member")
    return best_counts
