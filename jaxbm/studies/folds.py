"""Which rows train and which are held out: scikit-learn's splitters, by name and number."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from jaxbm.core import arrays, checks
from jaxbm.core import rows as row_trees
from jaxbm.core.extras import needs
from jaxbm.core.labels import OF_CLASSES
from jaxbm.losses import kind_of
from jaxbm.studies.group_layout import check_labels

Fold = tuple[np.ndarray, np.ndarray]


@needs("dividing rows into folds")
def make_folds(
    n: int,
    y: Any,
    folds: Any,
    *,
    stratified: bool = False,
    groups: ArrayLike | None = None,
    repeats: int = 1,
    seed: int = 0,
) -> list[Fold]:
    """`(training rows, held-out rows)` of every fold, repeat after repeat.

    Args:
      n: rows.
      y: labels `[n]`, for stratification; anything else without.
      folds: a number, a scikit-learn splitter, or such pairs themselves.
      stratified: the same share of each class in every fold.
      groups: `[n]`; rows of one group stay together.
      repeats: how many times, each with other folds.
      seed: of the shuffles.

    Raises:
      ValueError: the numbers don't fit the data.

    Example:
      >>> from jaxbm.studies.folds import make_folds
      >>> [held_out.size for _, held_out in make_folds(10, [0] * 10, 3)]
      [4, 3, 3]
    """
    repeats, stratified = checks.positive_int("repeats", repeats), checks.flag("stratified", stratified)
    if row_trees.is_tree(y):
        if stratified:
            raise ValueError(f"stratified: expected labels that are one array, got a {type(y).__name__} of arrays")
        y = np.zeros(n)
    y = arrays.given("y", y)
    if groups is not None:
        groups = arrays.given("groups", groups)
        check_labels(groups, n)
    if hasattr(folds, "split") and not isinstance(folds, str | bytes):
        places = np.zeros((n, 1))
        made = [pair for _ in range(repeats) for pair in folds.split(places, y, groups)]
    elif isinstance(folds, list | tuple):
        made = list(folds)
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in made):
            raise ValueError("folds: expected pairs (training rows, held-out rows), got others")
        if repeats > 1 or groups is not None:
            name = "groups" if groups is not None else "repeats"
            raise ValueError(f"{name}: expected none beside folds that are given as rows, got some")
    else:
        k = checks.positive_int("folds", folds)
        if k < 2:
            raise ValueError(f"folds: expected at least 2, got {k}")
        places, labels, seed = np.zeros((n, 1)), y, checks.seed("seed", seed)
        made = []
        for i in range(repeats):
            part = None if groups is not None else _parts(n, labels if stratified else None, k, (seed + i) % 2**32)
            if part is None:
                made += _splitter(k, stratified, groups is not None, (seed + i) % 2**32).split(places, labels, groups)
            else:
                made += [(np.flatnonzero(part != j), np.flatnonzero(part == j)) for j in range(k)]
    pairs = [(np.asarray(train), np.asarray(held_out)) for train, held_out in made]
    if not pairs or any(not train.size or not held_out.size for train, held_out in pairs):
        raise ValueError("folds: expected rows to train on and rows held out in every fold")
    checked = [[checks.host_rows("folds", rows, n) for rows in pair] for pair in pairs]
    return [(train, held_out) for train, held_out in checked]


def _parts(n: int, labels: np.ndarray | None, k: int, seed: int) -> np.ndarray | None:
    """int `[n]`: the part of each row, as scikit-learn's `KFold` or `StratifiedKFold` shuffles them; None for what it
    refuses or warns of. Its import takes longer than many a training run."""
    rng = np.random.RandomState(seed)
    part = np.empty(n, np.int64)
    if labels is None:
        if k > n:
            return None
        part[rng.permutation(n)] = np.repeat(np.arange(k), [n // k + (j < n % k) for j in range(k)])
        return part
    if labels.ndim != 1 or labels.dtype.kind not in "biu":
        return None
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    counts = np.bincount(codes)
    if counts.min() < k:
        return None
    dealt, at = np.arange(n) % k, 0  # sorted by class, rows are dealt like cards
    for c in np.argsort(first):  # classes in the order in which they occur
        own = np.sort(dealt[at : at + counts[c]])
        rng.shuffle(own)
        part[codes == c], at = own, at + counts[c]
    return part


def _splitter(k: int, stratified: bool, grouped: bool, seed: int) -> Any:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    kinds = {(False, False): KFold, (True, False): StratifiedKFold, (False, True): GroupKFold}
    return kinds.get((stratified, grouped), StratifiedGroupKFold)(k, shuffle=True, random_state=seed)


def is_classification(loss: Any, y: Any) -> bool:
    """Whether the labels are class numbers, by the loss."""
    return not row_trees.is_tree(y) and np.ndim(y) == 1 and kind_of(loss) in OF_CLASSES
