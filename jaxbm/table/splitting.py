"""Training, validation and test rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jaxbm.core import checks
from jaxbm.core.calls import helpful
from jaxbm.core.extras import needs
from jaxbm.core.words import counted
from jaxbm.table.copies import alike, copies, together
from jaxbm.table.frames import as_pandas
from jaxbm.table.target import classes_of, has_label, labelled, numbered, task_of, unlabelled_told

if TYPE_CHECKING:
    import pandas as pd


@needs("jaxbm.table")
@helpful
def split(
    frame: pd.DataFrame, target: str, *, task: str | None = None, test_size: float = 0.2, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shuffle and split into training and test rows, stratified for classes; rows without a label are left out.

    Copies of a row are all on one side. Where there are none, the split is that of scikit-learn's `train_test_split`.

    Raises:
      ValueError: as for `task_of`, or there is no other column, no rows are left, `test_size` leaves a side empty, or
        `seed` is not between 0 and 2**32 - 1.
      TypeError: `seed` is no whole number.

    Example:
      >>> from jaxbm import table
      >>> [len(part) for part in table.split(*table.demo("iris"))]
      [120, 30]
    """
    from sklearn.model_selection import train_test_split

    frame = as_pandas(frame)
    task = task_of(frame, target, task)
    if frame.shape[1] < 2:
        raise ValueError(f"table: expected columns beside the target {target!r}, got none")
    rows = labelled(frame, target, task)
    checks.one_number("test_size", test_size)
    if not 0 < test_size < 1:
        raise ValueError(f"test_size: expected a number between 0 and 1, got {test_size}")
    seed = checks.seed("seed", seed)
    codes = None
    if task != "regression":
        known = classes_of(rows[target])
        codes = numbered(rows[target], known)
        rare = [str(name) for name, count in zip(known, np.bincount(codes), strict=True) if count < 2]
        if rare:
            way_out = "where that is a mark for a missing label, name it with --missing (missing=[...])"
            if rows[target].dtype.kind in "iuf":
                way_out = "where it is a quantity, say so with --task regression (task='regression')"
            raise ValueError(
                f"target {target!r}: expected two or more rows of each class to split, got one of {_few(rare)}; "
                f"{way_out}"
            )
    _check_sides(len(rows), test_size, 0 if codes is None else int(codes.max()) + 1)
    train, test = train_test_split(np.arange(len(rows)), test_size=test_size, random_state=seed, stratify=codes)
    groups = copies(rows)
    if groups is not None:
        order = np.concatenate([train, test])
        second = np.arange(len(order)) >= len(train)
        second = together(groups[order], second, None if codes is None else codes[order])
        train, test = order[~second], order[second]
    return rows.iloc[train], rows.iloc[test]


def _check_sides(rows: int, test_size: float, classes: int) -> None:
    """ValueError where a side has no row, or cannot have one of each class."""
    second = math.ceil(rows * test_size)
    least = min(second, rows - second)
    if least < max(1, classes):
        wanted = f"of each of {classes} classes " if classes else ""
        raise ValueError(
            f"test_size: expected a row {wanted}on each side at least, got {rows - second} and {second} of "
            f"{counted(rows, 'row')} by {test_size}"
        )


def _few(names: list[str], most: int = 5) -> str:
    return f"{names[:most]}" + (f" and {len(names) - most} more" if len(names) > most else "")


def validation_rows(rows: pd.DataFrame, validation_split: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first rows to train on and the last `validation_split` of them to validate on, copies on one side.

    Raises:
      ValueError: no rows are left to train on.
    """
    second = is_validation(rows, validation_split)
    return rows[~second], rows[second]


def is_validation(rows: pd.DataFrame, validation_split: float) -> np.ndarray:
    """bool `[n]`: which rows `validation_rows` sets apart; raises as it does."""
    first = int(len(rows) * (1 - validation_split))
    if not 0 <= validation_split < 1 or first == 0:
        raise ValueError(
            f"validation_split: expected a fraction that leaves rows to train on, got {validation_split}"
        )
    groups = copies(rows) if first < len(rows) else None
    second = np.arange(len(rows)) >= first
    if groups is not None:
        second = together(groups, second, None)
    return second


def within_groups(rows: pd.DataFrame, group: str, validation_split: float) -> pd.DataFrame:
    """The rows, in such an order that where the last of each group's are validated on, copies are on one side.

    Only where nearly all of a group's rows are copies can those of one row lie on both.

    Args:
      rows: to train and to validate on.
      group: the column that names each row's group.
      validation_split: fraction of each group's rows, the last ones, that are validated on.
    """
    clusters = copies(rows)
    if clusters is None:
        return rows
    order = np.arange(len(rows))
    for places in rows.groupby(group, sort=False).indices.values():
        _, own, counts = np.unique(clusters[places], return_inverse=True, return_counts=True)
        if counts.max() == 1:
            continue
        first = int(len(places) * (1 - validation_split))
        second = together(own, np.arange(len(places)) >= first, None)
        by_side = np.argsort(second, kind="stable")
        # Where the sides can't have their sizes, the rows that have most copies come first, each with its own.
        fits = int(second.sum()) == len(places) - first
        order[places] = places[by_side if fits else np.lexsort((own, -counts[own]))]
    ordered = rows.iloc[order]
    ordered.attrs = rows.attrs
    return ordered


def split_summary(frame: pd.DataFrame, target: str, parts: dict[str, int], *, task: str | None = None) -> list[str]:
    """What happened before `prepare`, a line for each step.

    Args:
      frame: the whole table.
      target: the column to predict.
      parts: `{"training": rows, "test": rows}`; empty when the table was not split.
      task: as for `task_of`.
    """
    kept = has_label(frame, target, task)
    rows = frame[kept]
    steps = list(frame.attrs.get("told", ()))
    steps.append(f"{counted(len(frame), 'row')}, {counted(frame.shape[1] - 1, 'column')} and the target {target!r}")
    if not kept.all():
        steps.append(
            f"dropped {counted(int((~kept).sum()), 'row')} without a label: {unlabelled_told(frame, target, task)}"
        )
    groups = alike(rows)
    if groups is not None:
        side = ""
        if parts:
            by_chance = copies(rows) is None
            side = "; equal by chance, with so few values" if by_chance else "; copies are on one side of the split"
        steps.append(f"found {counted(len(rows) - int(groups.max()) - 1, 'duplicate row')}, kept{side}")
    if parts:
        told = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
        steps.append(f"split at random: {told}")
    return steps
