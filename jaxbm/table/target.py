"""The column to predict: its task, its classes, the rows that have a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.names import unknown

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("binary", "multiclass", "regression")
MAX_CLASSES = 20
"""A numeric target of integers with at most this many different values is taken as classes."""


def task_of(frame: pd.DataFrame, target: str, task: str | None = None) -> str:
    """ "binary", "multiclass" or "regression".

    Text and boolean targets are classes; so are integers with at most `MAX_CLASSES` different values; other
    numbers are a quantity. `task` decides instead where given; "classification" leaves the number of classes open.

    Raises:
      ValueError: no such column, `task` is unknown, one class only, or text in the target of a regression.
    """
    import pandas as pd

    if target not in frame.columns:
        raise unknown("target", target, map(str, frame.columns))
    if task not in (None, "classification", *TASKS):
        raise unknown("task", task, ("classification", *TASKS))
    column = frame[target].dropna()
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if task == "regression":
        if not numeric:
            numbers = pd.to_numeric(column, errors="coerce")
            first = numbers.isna().idxmax()
            raise ValueError(
                f"target {target!r}: expected numbers for a regression, got {column[first]!r} in row {first}"
            )
        return task
    values = column.nunique()
    whole = numeric and bool((column == np.floor(column)).all())
    if task is None and numeric and not (whole and values <= MAX_CLASSES):
        return "regression"
    if values < 2:
        shown = "no label at all" if values == 0 else f"only {column.iloc[0]!r}"
        raise ValueError(f"target {target!r}: expected two or more classes, got {shown}")
    if task == "binary" and values > 2:
        raise ValueError(f"target {target!r}: expected two classes for task='binary', got {values}")
    return "multiclass" if task == "multiclass" or values > 2 else "binary"


def labelled(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """The rows that have a label: neither missing nor infinite.

    Raises:
      ValueError: there is no such column, or no row is left.
    """
    import pandas as pd

    if target not in frame.columns:
        raise unknown("target", target, map(str, frame.columns))
    kept = frame[target].notna()
    if pd.api.types.is_float_dtype(frame[target]):
        kept &= np.isfinite(frame[target].fillna(0))
    if not kept.any():
        raise ValueError(f"target {target!r}: expected rows with a label, none is left of {len(frame)}")
    return frame[kept]


def classes_of(labels: pd.Series) -> dict[Any, int]:
    """Class -> number: in the order of a categorical column, else sorted."""
    import pandas as pd

    found = set(distinct(labels)[1])
    ordered = sorted(found, key=lambda v: (str(type(v)), v))
    if isinstance(labels.dtype, pd.CategoricalDtype):
        ordered = [plain(v) for v in labels.cat.categories]
    return {name: i for i, name in enumerate(name for name in ordered if name in found)}


def distinct(labels: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """`(codes, values)`: what stands in each row, as a place in the list of different values."""
    codes, values = labels.factorize()
    return codes, [plain(v) for v in values]


def numbered(labels: pd.Series, classes: dict[Any, int]) -> np.ndarray:
    """int32 `[n]`: the number of each row's class."""
    codes, values = distinct(labels)
    return np.asarray([classes[v] for v in values], np.int32)[codes]


def plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
