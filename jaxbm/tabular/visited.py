"""The rows as each member sees them: with target statistics that know the labels of its own training rows alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxbm.studies.folds import Fold
from jaxbm.table.category_statistics import Target, copy_groups, inner_parts, statistic_features
from jaxbm.table.encoding import row_groups

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table import Preparation

MOST_BYTES = 2**30
"""Of the features of all members together; a larger table has no target statistics."""


class Visited(NamedTuple):
    """A table in which every member has rows of its own, one member after the other."""

    x: np.ndarray
    """float32 `[members * n, features]`"""
    y: np.ndarray
    """`[members * n]`"""
    weight: np.ndarray | None
    folds: list[Fold]
    """each member's training and held-out rows there"""


def has_statistics(preparation: Preparation) -> bool:
    """Whether any feature is a statistic of the target."""
    return any(column.outcomes for column in preparation.columns)


def too_large(preparation: Preparation, rows: int, members: int) -> bool:
    """Whether members can't have rows of their own."""
    return 4 * members * rows * len(preparation.feature_names) > MOST_BYTES


def own_rows(
    preparation: Preparation,
    frame: pd.DataFrame,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    folds: list[Fold],
    seed: int,
) -> Visited:
    """Every member's table.

    Args:
      preparation: with target statistics.
      frame: the rows `[n]`.
      x, y: their features and labels.
      weight: `[n]`, or None.
      folds: each member's training and held-out rows.
      seed: of the inner parts.
    """
    n, members = len(x), len(folds)
    target, places = Target.of(preparation, y, weight), preparation.groups()
    groups = copy_groups(frame)
    codes = {c.name: row_groups(c, frame[c.name]) for c in preparation.columns if c.outcomes}
    tall = np.tile(x, (members, 1)).reshape(members, *x.shape)
    for k, (train, _) in enumerate(folds):
        seen = np.zeros(n, bool)
        seen[train] = True
        parts = inner_parts(groups, [seed, k])
        for column in preparation.columns:
            if column.outcomes:
                at = places[column.name][column.statistic_places]
                known = len(column.known) + 1
                tall[k][:, at] = statistic_features(codes[column.name], known, target, seen, parts)
    moved = [(train + k * n, held + k * n) for k, (train, held) in enumerate(folds)]
    weights = None if weight is None else np.tile(weight, members)
    return Visited(tall.reshape(-1, x.shape[1]), np.tile(y, members), weights, moved)
