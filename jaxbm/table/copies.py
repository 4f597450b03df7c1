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
    by_chance = n * (n - 1.0) / 2
    for name in range(rows.shape[1]):
        codes, _ = distinct(rows.iloc[:, name])
        share = np.bincount(codes + 1) / n
        by_chance *= float((share**2).sum())
    return None if by_chance >= 0.1 * pairs else groups


def together(groups: np.ndarray, second: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """bool `[n]`: the side of each row, like `second`, but with all copies of a row where the first of them is.

    As many rows without copies, of the same class where one is left, change to the other side, so that the sides keep
    their sizes.

    Args:
      groups: int `[n]`, as `copies` gives it.
      second: bool `[n]`, the rows of the second side.
      classes: int `[n]` for a stratified split, None for any other.
    """
    _, first, inverse, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    side = second[first][inverse]
    classes = np.zeros(len(groups), int) if classes is None else classes
    alone = counts[inverse] == 1
    for to_second in (True, False):
        moved = (side != second) & (side == to_second)
        for name, count in zip(*np.unique(classes[moved], return_counts=True), strict=True):
            free = np.flatnonzero(alone & (side == to_second) & (classes == name))
            side[free[:count]] = not to_second
            alone[free[:count]] = False
    return side
