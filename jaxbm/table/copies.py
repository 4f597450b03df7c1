"""Copies of rows: found, and kept on one side of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxbm.table.cells import distinct

if TYPE_CHECKING:
    import pandas as pd


def alike(rows: pd.DataFrame) -> np.ndarray | None:
    """int `[n]`: equal for rows that are equal; None where no two are, or cells are lists and the like."""
    import pandas as pd

    numeric = rows.select_dtypes("number")
    try:
        for part in (numeric, rows) if 0 < numeric.shape[1] < rows.shape[1] else (rows,):
            hashes = pd.util.hash_pandas_object(part, index=False).to_numpy()
            different, groups = np.unique(hashes, return_inverse=True)
            if len(different) == len(rows):  # most tables are through after their numbers
                return None
    except TypeError:
        return None  # told where the column is recognised
    return groups


def copies(rows: pd.DataFrame) -> np.ndarray | None:
    """int `[n]`: equal for rows that are copies of each other; None where there are none.

    Rows of a few columns with a few values each are equal by chance, not by copying. With columns that don't depend
    on each other, a pair of rows is equal with the product of each column's chance of equal cells: where that
    explains a tenth of the pairs or more, they don't count as copies.
    """
    groups = alike(rows)
    if groups is None:
        return None
    counts = np.bincount(groups)
    n = len(rows)
    pairs = float((counts * (counts - 1.0)).sum()) / 2
    _, first = np.unique(groups, return_index=True)
    different = rows.iloc[first]  # copies would make every column look as if its cells were equal by chance
    by_chance = n * (n - 1.0) / 2
    for name in range(rows.shape[1]):
        codes, _ = distinct(different.iloc[:, name])
        alike_cells = np.bincount(codes + 1).astype(np.float64)
        by_chance *= float((alike_cells * (alike_cells - 1)).sum()) / max(len(first) * (len(first) - 1.0), 1.0)
    return None if by_chance >= 0.1 * pairs else groups


def folds_together(
    groups: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`(training rows, held-out rows)` of every fold, in which all copies of a row are held out together.

    Args:
      groups: int `[n]`, as `copies` gives it.
      folds: such pairs, in which each row is held out once; copies go with the one that stands first.

    Raises:
      ValueError: there are too few different rows for as many folds.
    """
    fold = np.zeros(len(groups), int)
    for i, (_, held_out) in enumerate(folds):
        fold[held_out] = i
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    fold = fold[first][inverse]
    if np.bincount(fold, minlength=len(folds)).min() == 0:
        raise ValueError(f"folds: expected at most as many as there are different rows, got {len(folds)}")
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(len(folds))]


def together(groups: np.ndarray, second: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """bool `[n]`: the side of each row, like `second`, but with all copies of a row where one of them is.

    As many rows without copies, of the same class where one is left, change to the other side, so that the sides keep
    their sizes.

    Args:
      groups: int `[n]`, as `copies` gives it.
      second: bool `[n]`, the rows of the second side.
      classes: int `[n]` for a stratified split, None for any other.
    """
    mixed = np.random.default_rng(0).permutation(len(groups))  # else the rows that stand first would decide
    groups, before = groups[mixed], second[mixed]
    classes = np.zeros(len(groups), int) if classes is None else classes[mixed]
    _, first, inverse, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    side = before[first][inverse]
    several = counts[inverse] > 1
    free = ~several
    for to_second in (True, False):
        moved = (side != before) & (side == to_second) & several
        for name, count in zip(*np.unique(classes[moved], return_counts=True), strict=True):
            back = np.flatnonzero(free & (side == to_second) & (classes == name))[:count]
            side[back] = not to_second
            free[back] = False
    result = np.empty_like(side)
    result[mixed] = side
    return result
