"""Which rows each member of an ensemble is trained on, and which fold validates it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from jaxbm.core.words import counted
from jaxbm.studies.folds import Fold, make_folds
from jaxbm.table.copies import copies

if TYPE_CHECKING:
    import pandas as pd


def member_folds(
    rows: pd.DataFrame,
    codes: np.ndarray | None,
    members: int,
    folds: int,
    *,
    seed: int = 0,
    names: list[str] | None = None,
    strict: bool = False,
) -> tuple[list[Fold], list[str]]:
    """`(training rows, held-out rows)` of each member, and what is to be told about them.

    Member after member takes the next fold; when all folds are through, others are drawn. Copies of a row lie in one
    fold, so that nothing a member was trained on validates it, and classes have their share of every fold.

    Args:
      rows: the table, with the target.
      codes: class numbers `[n]`; None for a quantity.
      members: how many lists.
      folds: parts of the rows.
      seed: of the folds.
      names: of the classes, for messages.
      strict: a class with fewer rows than folds is an error; otherwise its rows lie in as many folds as there are.

    Raises:
      ValueError: there are fewer rows than folds, with `strict`; fewer than two in any case.
    """
    groups = copies(rows)
    if groups is None:
        first = inverse = np.arange(len(rows))
    else:
        _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    labels = None if codes is None else codes[first]
    different = "" if groups is None else "different "
    if len(first) < 2 or (strict and len(first) < folds):
        raise ValueError(f"folds: expected at least {folds} {different}rows for {folds} folds, got {len(first)}")
    told = []
    if labels is not None:
        counts = np.bincount(labels)
        rare = int(np.argmin(counts))
        if counts[rare] < folds:
            name = names[rare] if names else str(rare)
            few = f"class {name!r} has {counted(counts[rare], f'{different}row')}, fewer than {folds} folds"
            if strict:
                raise ValueError(f"folds: expected at most as many as the rarest class has rows; {few}")
            told.append(f"warning: {few}: some folds have none of it")
    made = min(folds, len(first))
    # scikit-learn can't part classes none of which reaches all folds, such as those of ten rows in five classes.
    stratified = labels is not None and int(np.bincount(labels).max()) >= made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of rare classes: told above
        found = make_folds(
            len(first),
            np.zeros(len(first)) if labels is None else labels,
            made,
            stratified=stratified,
            repeats=-(-members // made),
            seed=seed,
        )
    if made < folds:
        told.append(f"{made} folds, since there are no more {different}rows")
    return [_spread(fold, inverse, len(first)) for fold in found[:members]], told


def _spread(fold: Fold, inverse: np.ndarray, n: int) -> Fold:
    """The rows themselves, where a fold lists different rows only."""
    held_out = np.zeros(n, bool)
    held_out[fold[1]] = True
    side = held_out[inverse]
    return np.flatnonzero(~side), np.flatnonzero(side)
