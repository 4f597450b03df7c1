"""Curves over all thresholds of a score. scikit-learn has them too, but to import it takes longer than a report."""

from __future__ import annotations

import numpy as np

Curve = tuple[np.ndarray, np.ndarray, float]


def roc(scores: np.ndarray, is_class: np.ndarray) -> Curve:
    """`(false positive rate, true positive rate, area)`, ascending, a point for each different score.

    Args:
      scores: `[n]`.
      is_class: bool `[n]`, of both kinds.

    Example:
      >>> import numpy as np
      >>> from jaxbm.report.curves import roc
      >>> roc(np.asarray([0.9, 0.8, 0.3]), np.asarray([True, False, True]))[2]
      0.5
    """
    right, wrong = _counts(scores, is_class)
    true, false = (np.append(0.0, counts / counts[-1]) for counts in (right, wrong))
    return false, true, float(np.trapezoid(true, false))


def precision_recall(scores: np.ndarray, is_class: np.ndarray) -> Curve:
    """`(recall, precision, average precision)`, by descending recall down to the point (0, 1).

    The average weighs each precision by what its threshold adds to the recall.

    Args:
      scores, is_class: as for `roc`.
    """
    right, wrong = _counts(scores, is_class)
    precision, recall = right / (right + wrong), right / right[-1]
    average = float((np.diff(recall, prepend=0.0) * precision).sum())
    return np.append(recall[::-1], 0.0), np.append(precision[::-1], 1.0), average


def _counts(scores: np.ndarray, is_class: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each different score from the highest on: how many rows of the class reach it, and how many others."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    right = np.cumsum(is_class[order])[last]
    return right, last + 1 - right
