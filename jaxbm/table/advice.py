"""What should make somebody suspicious of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxbm.table.cells import cells
from jaxbm.table.encoding import numbers_of

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table.columns import Column
    from jaxbm.table.preparation import Preparation

_SAMPLE, _LEAST = 4000, 30
_LEAK = 0.99


def leaks(result: Preparation, rows: pd.DataFrame) -> list[str]:
    """A sentence for each column that predicts the target alone, almost perfectly.

    Each row is predicted from the others that are alike in that column: by those with the same value where values
    repeat, else by the one next to it in order. A share of 0.99 of right answers, or of the variance, counts; for
    classes, at most a tenth of the errors of always guessing the most frequent one.
    """
    step = max(1, -(-len(rows) // _SAMPLE))
    sample = rows.iloc[::step]
    if len(sample) < _LEAST:
        return []
    y = result.labels(sample).astype(np.float64)
    told = []
    for column in result.columns:
        guess = _guess(_place(column, sample), y, classes=result.task != "regression")
        if guess is None:
            continue
        if result.task == "regression":
            right = 1 - float(((guess - y) ** 2).mean() / max(float(y.var()), 1e-30))
            good, what = right >= _LEAK, f"{right:.1%} of the target's variance"
        else:
            wrong, base = float((guess != y).mean()), 1 - float(np.bincount(y.astype(int)).max()) / len(y)
            good, what = wrong <= min(1 - _LEAK, base / 10), f"{1 - wrong:.1%} of the labels"
        if good:
            told.append(
                f"column {column.name!r} alone predicts {what}; is it known before the target is? "
                "If not, drop it (--drop, drop=[...])"
            )
    return told


def _place(column: Column, rows: pd.DataFrame) -> np.ndarray:
    """float64 `[n]`: numbers or codes; missing cells are alike."""
    if column.kind == "category":
        return cells(rows[column.name]).codes.astype(np.float64)
    numbers = numbers_of(column, rows[column.name])
    known = numbers[~np.isnan(numbers)]
    low = float(known.min()) - 1 - np.ptp(known) if len(known) else 0.0
    return np.where(np.isnan(numbers), low, numbers)


def _guess(place: np.ndarray, y: np.ndarray, *, classes: bool) -> np.ndarray | None:
    """`[n]`: each row's target, as other rows alike in `place` have it; None where too few rows are alike."""
    values, codes = np.unique(place, return_inverse=True)
    if len(values) <= len(place) / 5:
        if classes:
            counts = np.zeros((len(values), int(y.max()) + 1))
            np.add.at(counts, (codes, y.astype(int)), 1)
            return _majority_of_others(counts, codes, y.astype(int))
        total, count = np.bincount(codes, y), np.bincount(codes)
        others = np.maximum(count[codes] - 1, 1)
        return np.where(count[codes] > 1, (total[codes] - y) / others, y.mean())
    if len(values) < len(place) / 2:
        return None
    order = np.argsort(place, kind="stable")
    guess = np.empty(len(y))
    guess[order[1:]], guess[order[:1]] = y[order[:-1]], y[order[1:2]]
    return guess


def _majority_of_others(counts: np.ndarray, codes: np.ndarray, y: np.ndarray) -> np.ndarray:
    own = counts[codes]
    own[np.arange(len(y)), y] -= 1
    return np.where(own.sum(axis=1) > 0, own.argmax(axis=1), -1).astype(np.float64)
