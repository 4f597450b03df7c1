"""Smoothed target statistics: what the target is on average where a category stands, never of the row itself.

A category with a feature of its own needs none. Where a column has more categories than are worth a feature each, one
statistic says something about all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxbm.core.names import one_of
from jaxbm.table.copies import copies
from jaxbm.table.encoding import row_groups

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table.preparation import Preparation

CATEGORIES = ("one-hot", "target")
INNER = 5
"""Parts of the training rows, each of which gets the statistics of the others."""
_UNIT = 0.5
"""A statistic's unit, in standard deviations of the target: the same for all columns, so that one without a meaning
stays small."""
_CHANCE = 2.0
"""Groups differ if their variance exceeds what chance gives by so many of its standard deviations."""


def check_categories(name: str) -> None:
    """ValueError unless it is one of `CATEGORIES`."""
    one_of("categories", name, CATEGORIES, or_none=False)


class Target(NamedTuple):
    """What statistics are of."""

    outcomes: np.ndarray
    """float64 `[n, t]`: a quantity, or whether a row is of the second of two classes, or of each of several"""
    weight: np.ndarray
    """float64 `[n]`: how much each row counts"""

    @classmethod
    def of(cls, preparation: Preparation, y: np.ndarray, weight: np.ndarray | None = None) -> Target:
        """Of labels as `preparation.labels` gives them."""
        outcomes = np.asarray(y, np.float64)[:, None]
        if preparation.task == "multiclass":
            outcomes = (np.asarray(y)[:, None] == np.arange(len(preparation.classes))).astype(np.float64)
        if weight is None or not weight.any():
            return cls(outcomes, np.ones(len(y)))
        return cls(outcomes, weight / weight[weight > 0].mean())  # counts of rows, whatever the weights' scale

    def rows(self, index: np.ndarray) -> Target:
        """Some of the rows."""
        return Target(self.outcomes[index], self.weight[index])

    def unit(self) -> float:
        """What statistics are divided by; of several classes the same for all."""
        mean = np.average(self.outcomes, axis=0, weights=self.weight)
        variance = np.average(np.square(self.outcomes - mean), axis=0, weights=self.weight)
        return _UNIT * float(np.sqrt(variance.mean())) or 1.0


def statistics(codes: np.ndarray, groups: int, target: Target, parts: np.ndarray | None = None) -> np.ndarray:
    """How far each group's mean of the target is from that of all rows, `[p, groups, t]`, in units of the target.

    s = (count / (count + m)) (mean of the group - mean of all) / (deviation / 2), where m is the variance within
    groups over the variance of the groups' own means, estimated by moments: where groups don't differ by more than
    chance, every s is 0.

    Args:
      codes: int `[n]`: each row's group; -1 for none.
      groups: how many there are.
      target: `[n]` rows.
      parts: int `[n]`, from 0: statistics for part k are those of the rows of all others; None for one table of all.

    Example:
      >>> import numpy as np
      >>> from jaxbm.table.category_statistics import Target, statistics
      >>> target = Target(np.asarray([[1.0]] * 4 + [[5.0]] * 4), np.ones(8))
      >>> statistics(np.repeat([0, 1], 4), 2, target)[0, :, 0].tolist()
      [-2.0, 2.0]

    Source: Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in classification and
    prediction problems" (2001); the moments as in one-way random-effects analysis of variance.
    """
    unit = target.unit()
    kept = codes >= 0
    codes, target = codes[kept], target.rows(kept)
    part = np.zeros(len(codes), np.int64) if parts is None else parts[kept]
    shape = (1 if parts is None else int(parts.max(initial=0)) + 1, groups)
    places, size = part * groups + codes, shape[0] * groups
    count = np.bincount(places, target.weight, size).reshape(shape)
    by_outcome = [np.bincount(places, target.weight * y, size).reshape(shape) for y in target.outcomes.T]
    sums = np.stack(by_outcome, axis=-1)
    smoothing = _smoothing(codes, count.sum(axis=0), sums.sum(axis=0), target)
    if parts is not None:
        count, sums = np.maximum(count.sum(axis=0) - count, 0.0), sums.sum(axis=0) - sums
    count = np.where(count > 1e-9, count, 0.0)[..., None]  # differences of sums of weights
    total = np.maximum(count.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    mean = sums.sum(axis=1, keepdims=True) / total
    own = sums / np.where(count > 0, count, 1.0)
    share = np.zeros_like(count) if np.isinf(smoothing) else count / np.where(count > 0, count + smoothing, 1.0)
    return share * (own - mean) / unit


def _smoothing(codes: np.ndarray, count: np.ndarray, sums: np.ndarray, target: Target) -> float:
    """Variance within groups over that of their means, summed over outcomes; infinite where means don't differ."""
    used = count > 0
    total, groups = float(count.sum()), int(used.sum())
    if groups < 2 or total <= groups:
        return float("inf")
    means = sums / np.where(used, count, 1.0)[:, None]
    within = float(target.weight @ np.square(target.outcomes - means[codes]).sum(axis=1)) / (total - groups)
    between = float(count @ np.square(means - sums.sum(axis=0) / total).sum(axis=1))
    excess = between - (groups - 1) * within
    if excess <= _CHANCE * within * np.sqrt(2 * (groups - 1) * (total - 1) / (total - groups)):
        return float("inf")
    return within / (excess / (total - float(count @ count) / total))


def learn_statistics(preparation: Preparation, rows: pd.DataFrame, target: Target) -> None:
    """Fill in the statistics of the columns that have some, from training rows, for rows that come later."""
    for column in preparation.columns:
        if column.statistics:
            column.statistics = statistics(row_groups(column, rows[column.name]), len(column.known) + 1, target)[
                0
            ].tolist()


def statistic_features(
    codes: np.ndarray, groups: int, target: Target, seen: np.ndarray, parts: np.ndarray
) -> np.ndarray:
    """float32 `[n, t]`: the features of rows for somebody who knows the labels of the `seen` rows alone.

    A row that is seen gets what the other parts say of its category, any other what all seen rows say.

    Args:
      codes: int `[n]`, as `row_groups` gives them.
      groups: how many there are.
      target: of the `[n]` rows.
      seen: bool `[n]`.
      parts: int `[n]`, from 0: the inner parts.
    """
    known = target.rows(seen)
    out = np.zeros((len(codes), target.outcomes.shape[1]), np.float32)
    crossed = statistics(codes[seen], groups, known, parts[seen])
    whole = statistics(codes[seen], groups, known)[0]
    at = np.flatnonzero(seen & (codes >= 0))
    out[at] = crossed[parts[at], codes[at]]
    at = np.flatnonzero(~seen & (codes >= 0))
    out[at] = whole[codes[at]]
    return out


def inner_parts(groups: np.ndarray, seed: int | list[int] = 0) -> np.ndarray:
    """int `[n]`, 0 to `INNER` - 1, at random.

    Args:
      groups: int `[n]`, as `copy_groups` gives it: copies of a row are in one part.
      seed: decides everything.
    """
    different = int(groups.max(initial=-1)) + 1
    return (np.random.default_rng(seed).permutation(different) % INNER)[groups]


def copy_groups(rows: pd.DataFrame) -> np.ndarray:
    """int `[n]`: equal for copies of a row alone."""
    groups = copies(rows)
    return np.arange(len(rows)) if groups is None else groups
