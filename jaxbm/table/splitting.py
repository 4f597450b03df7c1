"""Training and test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxbm.table.target import classes_of, labelled, numbered, task_of

if TYPE_CHECKING:
    import pandas as pd


def split(
    frame: pd.DataFrame, target: str, *, task: str | None = None, test_size: float = 0.2, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shuffle and split into training and test rows, stratified for classes; rows without a label are left out.

    Raises:
      ValueError: as for `task_of`, or no rows are left, or `test_size` leaves one side empty.
    """
    from sklearn.model_selection import train_test_split

    task = task_of(frame, target, task)
    rows = labelled(frame, target)
    if not 0 < test_size < 1:
        raise ValueError(f"test_size: expected a number between 0 and 1, got {test_size}")
    codes = None
    if task != "regression":
        known = classes_of(rows[target])
        codes = numbered(rows[target], known)
        rare = [str(name) for name, count in zip(known, np.bincount(codes), strict=True) if count < 2]
        if rare:
            raise ValueError(
                f"target {target!r}: expected two or more rows of each class to split, got one of {rare}"
            )
    train, test = train_test_split(rows, test_size=test_size, random_state=seed, stratify=codes)
    return train, test


def split_summary(frame: pd.DataFrame, target: str, parts: dict[str, int]) -> list[str]:
    """What happened before `prepare`, a line for each step.

    Args:
      frame: the whole table.
      target: the column to predict.
      parts: `{"training": rows, "test": rows}`; empty when the table was not split.
    """
    rows = labelled(frame, target)
    steps = [f"{len(frame)} rows, {frame.shape[1] - 1} columns and the target {target!r}"]
    if len(rows) < len(frame):
        steps.append(f"dropped {len(frame) - len(rows)} rows without a label")
    twice = int(rows.duplicated().sum())
    if twice:
        steps.append(f"found {twice} duplicate rows, kept" + ("; copies may lie on both sides" if parts else ""))
    if parts:
        told = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
        steps.append(f"split at random: {told}")
    return steps
