"""How much each row and each class of a table counts in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core import arrays, checks

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table import Preparation


def row_weights(frame: pd.DataFrame, target: str, given: Any) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The table without a column of weights, and each row's weight, float64 `[n]`.

    Args:
      frame: the table.
      target: the column to predict.
      given: the name of a column, which is then no feature, or `[n]`; None where all rows count the same.

    Raises:
      ValueError: there is no such column, or weights are negative, missing or infinite, or not one for each row.
      TypeError: they are no numbers.
    """
    from jaxbm.table.frames import check_names

    if given is None:
        return frame, None
    if isinstance(given, str):
        check_names("sample_weight", [given], frame)
        if given == target:
            raise ValueError(f"sample_weight: expected another column than the target, got {given!r}")
        weight = _of_column(frame[given])
        frame = frame.drop(columns=given)
    else:
        array = arrays.given("sample_weight", given)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"sample_weight: expected numbers or the name of a column, got dtype {array.dtype}")
        weight = array.astype(np.float64)
    if weight.shape != (len(frame),):
        raise ValueError(f"sample_weight: expected shape [{len(frame)}] like the table, got {list(weight.shape)}")
    checks.finite("sample_weight", weight)
    checks.in_range("sample_weight", weight, 0, float("inf"))
    return frame, weight


def _of_column(column: pd.Series) -> np.ndarray:
    """float64 `[n]`: numbers however they are spelled, and truth values as 1 and 0; NaN for an empty cell."""
    import pandas as pd

    from jaxbm.table.target import quantity

    if pd.api.types.is_bool_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    weight = quantity(column)
    strange = np.flatnonzero(np.isnan(weight) & column.notna().to_numpy())
    if len(strange):
        at = int(strange[0])
        raise ValueError(
            f"sample_weight: expected numbers in column {column.name!r}, got {column.iloc[at]!r} in row "
            f"{column.index[at]} ({len(strange)} in all)"
        )
    return weight


def class_weights(preparation: Preparation, given: Any) -> Any:
    """Weights of classes as `jaxbm.fit` takes them: by their numbers, not by their names.

    Args:
      preparation: of the table.
      given: "balanced", or `{class: weight}`, 1 for those it leaves out; None where all count the same.

    Raises:
      ValueError: the target is a quantity, or a class is none of the table's.
    """
    from jaxbm.table.target import meant

    if given is None:
        return None
    if preparation.task == "regression":
        raise ValueError(f"class_weight: expected None, since the target {preparation.target!r} is a quantity")
    if not isinstance(given, Mapping):
        if given != "balanced":
            raise ValueError(f"class_weight: expected 'balanced' or weights by class, got {checks.told(given)}")
        return given
    number = {name: i for i, name in enumerate(preparation.classes)}
    found = {meant(name, number): float(weight) for name, weight in given.items()}
    if None in found:
        strange = next(name for name in given if meant(name, number) is None)
        raise ValueError(f"class_weight: expected classes among {preparation.classes}, got {strange!r}")
    return {number[name]: weight for name, weight in found.items()}
