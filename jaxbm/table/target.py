"""The column to predict: its task, its classes, the rows that have a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.checks import is_hashable
from jaxbm.core.names import one_of, unknown
from jaxbm.table import dates, numerals
from jaxbm.table.cells import cells, distinct, plain
from jaxbm.table.frames import as_pandas

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("binary", "multiclass", "regression")
MAX_CLASSES = 20
"""A numeric target of integers with at most this many different values is taken as classes."""
_NUMBERS_SHARE = 0.9
"""A target of text is a quantity where this share of its cells are numbers, and not just a few whole ones."""


def column_of(frame: pd.DataFrame, target: str) -> pd.Series:
    """The target's column; cells of spaces alone are empty.

    Raises:
      ValueError: there is no such column, or more than one.
    """
    if not is_hashable(target) or target not in frame.columns:
        raise unknown("target", target, map(str, frame.columns))
    column = frame[target]
    if column.ndim != 1:
        raise ValueError(f"target {target!r}: expected one column of that name, got {column.shape[1]}")
    return column


def is_quantity(column: pd.Series) -> bool:
    """Whether the column's type is a number's, and not a truth value's or a date's."""
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def quantity(column: pd.Series, decimal: str = ".") -> np.ndarray:
    """float64 `[n]`: the column as numbers, also where they are spelled as text; NaN for what is none.

    Args:
      column: of numbers or text.
      decimal: the decimal mark where the spellings leave it open.
    """
    if is_quantity(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    found = cells(column)
    spelled = [text for text in found.texts if not numerals.is_mark(text)]
    numbers = numerals.parse(found.texts, numerals.decimal_of(spelled, decimal))
    return found.spread(numbers, np.nan)


def _all_numbers(column: pd.Series) -> bool:
    """Whether a column of text is a quantity with at most a few bad cells."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(column):
        return False
    found = cells(column)
    if not found.texts or numerals.has_leading_zeros(found.texts):
        return False
    numbers = numerals.parse(found.texts, numerals.decimal_of(found.texts))
    good = np.isfinite(numbers)
    share = found.counts[good].sum() / found.counts.sum()
    known = numbers[good]
    few = len(known) <= MAX_CLASSES and bool((known == np.floor(known)).all())
    return bool(share >= _NUMBERS_SHARE and len(known) and not few)


def task_of(frame: pd.DataFrame, target: str, task: str | None = None) -> str:
    """ "binary", "multiclass" or "regression".

    Text and boolean targets are classes; so are integers with at most `MAX_CLASSES` different values; other
    numbers are a quantity, also where a few cells hold something else. `task` decides instead where given;
    "classification" leaves the number of classes open.

    Raises:
      ValueError: no such column, `task` is unknown, one class only, text in the target of a regression, or dates.
    """
    frame = as_pandas(frame)
    column = column_of(frame, target)
    one_of("task", task, ("classification", *TASKS))
    column = column.dropna()
    _check_kind(column, target)
    numeric = is_quantity(column)
    if task == "regression":
        _check_regression(column, target)
        return task
    if task is None and not numeric and len(column) and _all_numbers(column):
        return "regression"
    values = column.nunique() if numeric else len(cells(column).texts)
    numbers = column.to_numpy(np.float64) if numeric else np.zeros(0)
    whole = numeric and bool((numbers == np.floor(numbers)).all())
    if task is None and numeric and not (whole and values <= MAX_CLASSES):
        return "regression"
    if values < 2:
        shown = "no label at all" if values == 0 else f"only {plain(column.iloc[0])!r}"
        raise ValueError(f"target {target!r}: expected two or more classes, got {shown}")
    if task == "binary" and values > 2:
        raise ValueError(f"target {target!r}: expected two classes for task='binary', got {values}")
    if task is None:
        _check_classes(column, values, target)
    return "multiclass" if task == "multiclass" or values > 2 else "binary"


def _check_kind(column: pd.Series, target: str) -> None:
    """ValueError for numbers that are no quantity, and quantities that are no numbers."""
    import pandas as pd

    if pd.api.types.is_complex_dtype(column):
        raise ValueError(f"target {target!r}: expected numbers or classes, got complex numbers")
    if pd.api.types.is_timedelta64_dtype(column):
        raise ValueError(
            f"target {target!r}: expected numbers or classes, got durations; .dt.total_seconds() makes them numbers"
        )


def _check_regression(column: pd.Series, target: str) -> None:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(f"target {target!r}: expected numbers for a regression, got dates")
    if is_quantity(column):
        return
    bad = np.isnan(quantity(column))
    if bad.mean() > 1 - _NUMBERS_SHARE:
        first = int(np.argmax(bad))
        raise ValueError(
            f"target {target!r}: expected numbers for a regression, got {plain(column.iloc[first])!r} in row "
            f"{column.index[first]}"
        )


def _check_classes(column: pd.Series, values: int, target: str) -> None:
    """Errors for a target of text that can't be meant as classes."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(f"target {target!r}: expected numbers or classes, got dates")
    if values <= MAX_CLASSES or is_quantity(column):
        return
    found = cells(column)
    if not np.isnan(dates.parse(found.texts, dates.formats_of(found.texts)[0])).any():
        raise ValueError(f"target {target!r}: expected numbers or classes, got dates")
    if values > 0.5 * len(column):
        shown = ", ".join(map(repr, found.texts[:3]))
        raise ValueError(
            f"target {target!r}: expected numbers, or classes with several rows each, got {values} different texts "
            f"in {len(column)} rows ({shown}, ...)"
        )


def check_range(target: str, column: pd.Series, numbers: np.ndarray, loss: Any) -> None:
    """ValueError where a number is none that the loss takes, with the first such row.

    Args:
      target: the column's name.
      column: of the rows.
      numbers: the same as numbers.
      loss: a `jaxbm.losses.KnownLoss`.
    """
    if loss.labels not in ("count", "amount"):
        return
    bad = (numbers < 0) if loss.labels == "count" else (numbers <= 0)
    if bad.any():
        at = int(np.argmax(bad))
        wanted = "numbers that aren't negative" if loss.labels == "count" else "positive numbers"
        raise ValueError(
            f"target {target!r}: expected {wanted} for loss {loss.__name__!r}, got {numbers[at]:g} in row "
            f"{column.index[at]}"
        )


def has_label(frame: pd.DataFrame, target: str, task: str | None = None) -> np.ndarray:
    """bool `[n]`: rows whose label is there; for a regression also a finite number.

    Raises:
      ValueError: there is no such column.
    """
    import pandas as pd

    column = column_of(frame, target)
    kept = column.notna().to_numpy(copy=True)
    if is_quantity(column):
        if pd.api.types.is_float_dtype(column):
            kept &= np.isfinite(column.to_numpy(np.float64, na_value=0.0))
        return kept
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return kept
    found = cells(column)
    kept &= found.codes >= 0
    if task == "regression" or (task is None and _all_numbers(column[kept])):
        kept &= np.isfinite(quantity(column))
    return kept


def labelled(frame: pd.DataFrame, target: str, task: str | None = None) -> pd.DataFrame:
    """The rows that have a label: neither missing nor infinite, and a number where the target is a quantity.

    Raises:
      ValueError: there is no such column, or no row is left.
    """
    kept = has_label(frame, target, task)
    if not kept.any():
        column = column_of(frame, target).dropna()
        if task == "regression" and len(column):
            _check_regression(column, target)
        raise ValueError(f"target {target!r}: expected rows with a label, none is left of {len(frame)}")
    return frame if kept.all() else frame[kept]


def unlabelled_told(frame: pd.DataFrame, target: str, task: str | None = None) -> str:
    """What the rows without a label hold in its place, in words; a single row is named."""
    import pandas as pd

    column = column_of(frame, target)
    lost = ~has_label(frame, target, task)
    rows = column[lost]
    told: dict[str, list[Any]] = {}
    for row, value in zip(rows.index, rows, strict=True):
        shown = "empty" if pd.isna(value) or not str(value).strip() else repr(plain(value))
        told.setdefault(shown, []).append(row)
    some = list(told.items())[:5]
    words = [f"{len(at)} {shown}" + (f" (row {at[0]})" if len(at) == 1 else "") for shown, at in some]
    return ", ".join(words) + (", ..." if len(told) > 5 else "")


def classes_of(labels: pd.Series) -> dict[Any, int]:
    """Class -> number: in the order of a categorical column, else sorted."""
    import pandas as pd

    found = {value for value in distinct(labels)[1] if value != ""}
    ordered = sorted(found, key=lambda v: (str(type(v)), v))
    if isinstance(labels.dtype, pd.CategoricalDtype):
        ordered = [plain(v) for v in labels.cat.categories]
    return {name: i for i, name in enumerate(name for name in ordered if name in found)}


def numbered(labels: pd.Series, classes: dict[Any, int]) -> np.ndarray:
    """int32 `[n]`: the number of each row's class."""
    codes, values = distinct(labels)
    return np.asarray([classes[v] for v in values], np.int32)[codes]


def meant(value: Any, classes: dict[Any, int]) -> Any:
    """The class that `value` means: itself, or the only one spelled the same or of the same number; else None.

    A column of text in one file may have been read as numbers in another, where it holds digits alone.

    Example:
      >>> from jaxbm.table.target import meant
      >>> meant(1, {"0": 0, "1": 1, "unknown": 2}), meant("1.0", {0: 0, 1: 1}), meant("2", {0: 0, 1: 1})
      ('1', 1, None)
    """
    if value in classes:
        return value
    for form in (lambda v: str(v).strip(), _as_truth, _as_number):
        same = [name for name in classes if form(name) is not None and form(name) == form(value)]
        if len(same) == 1:
            return same[0]
    return None


def _as_truth(value: Any) -> str | None:
    word = str(value).strip().lower()
    return word if word in ("true", "false") else None


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
