"""Learn from training rows how a table becomes arrays, and tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxbm.table.columns import learn
from jaxbm.table.preparation import Preparation
from jaxbm.table.splitting import split_summary
from jaxbm.table.target import classes_of, labelled, numbered, task_of

if TYPE_CHECKING:
    import pandas as pd


def prepare(
    frame: pd.DataFrame,
    target: str,
    *,
    task: str | None = None,
    fit_rows: int | None = None,
    steps: list[str] | None = None,
) -> Preparation:
    """Learn from training rows how the table becomes arrays.

    Args:
      frame: training rows.
      target: the column to predict.
      task: as for `task_of`.
      fit_rows: statistics come from that many rows from the start, None for all; the rest, such as validation
        rows, only have to agree in their columns.
      steps: what was done to the table before, as `split_summary` tells it; kept and told with the rest.

    Raises:
      ValueError: as for `task_of`; a column holds dates; no row or no column is left.

    Example:
      >>> from jaxbm import table
      >>> frame, target = table.demo("iris")
      >>> preparation = table.prepare(frame, target)
      >>> preparation.task, preparation.features(frame).shape
      ('multiclass', (150, 4))
    """
    task = task_of(frame, target, task)
    rows = labelled(frame, target)
    fitted = rows if fit_rows is None else rows.iloc[:fit_rows]
    result = Preparation(target, task, [])
    features = [name for name in frame.columns if name != target]
    result.steps += split_summary(frame, target, {}) if steps is None else steps
    result.steps.append(f"task: {task}")
    if task == "regression":
        numbers = fitted[target].to_numpy(np.float64)
        result.target_center, result.target_scale = float(numbers.mean()), float(numbers.std()) or 1.0
        result.steps.append(
            f"scaled the target by mean {result.target_center:.4g}, deviation {result.target_scale:.4g}"
        )
    else:
        classes = classes_of(rows[target])
        result.classes = list(classes)
        counts = np.bincount(numbered(rows[target], classes))
        result.steps.append("classes: " + ", ".join(f"{name} ({counts[i]})" for name, i in classes.items()))
    dropped = _learn_columns(result, fitted[features])
    if dropped:
        told = ", ".join(dropped)
        result.steps.append(f"dropped columns that are constant, empty or differ in nearly every row: {told}")
    if not result.columns:
        raise ValueError("table: expected at least one column that varies, apart from the target; none is left")
    _tell(result, rows[features])
    return result


def _learn_columns(result: Preparation, fitted: pd.DataFrame) -> list[str]:
    dropped = []
    for name in fitted.columns:
        column = learn(str(name), fitted[name])
        if column is None:
            dropped.append(str(name))
        else:
            result.columns.append(column)
    return dropped


def _tell(result: Preparation, rows: pd.DataFrame) -> None:
    kinds = {kind: [c for c in result.columns if c.kind == kind] for kind in ("number", "boolean", "category")}
    counts = [f"{len(c)} {kind}" for kind, c in kinds.items() if c]
    result.steps.append(f"features: {len(result.feature_names)} from columns: " + ", ".join(counts))
    numeric = kinds["number"]
    infinite = sum(int(np.isinf(rows[c.name].to_numpy(np.float64, na_value=np.nan)).sum()) for c in numeric)
    if infinite:
        result.steps.append(f"took {infinite} infinite values as missing")
    gaps = {c.name: int(rows[c.name].isna().sum()) for c in result.columns}
    gaps = {name: count for name, count in gaps.items() if count}
    if gaps:
        told = ", ".join(f"{name} ({count})" for name, count in gaps.items())
        result.steps.append(f"filled missing values by the median or no category, with an indicator: {told}")
    if numeric:
        result.steps.append("standardised the numbers by mean and deviation of the training rows")
