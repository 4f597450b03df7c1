"""One column of a table: learned from training rows, encoded as features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from jaxbm.table.target import MAX_CLASSES, plain

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES = 200
"""A text column's most frequent categories get a feature each, the others none."""


@dataclass
class Column:
    """How one column of the table becomes features."""

    name: str
    kind: str
    """"number", "boolean" or "category" """
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    """what stands in for a missing number: the median of the training rows"""
    indicator: bool = False
    """whether a feature tells that the value was missing"""
    categories: list[str] = field(default_factory=list)


def learn(name: str, values: pd.Series) -> Column | None:
    import pandas as pd

    kind = _kind(name, values)
    if kind == "category":
        counts = _text(values).dropna().value_counts()
        missing = bool(values.isna().any())
        if len(counts) + missing < 2 or _is_identifier(counts):
            return None
        return Column(name, kind, indicator=missing, categories=sorted(counts.index[:MAX_CATEGORIES]))
    numbers = _numbers(name, pd.Series(values))
    known = numbers[~np.isnan(numbers)]
    missing = len(known) < len(numbers)
    if not len(known) or (known.min() == known.max() and not missing):
        return None
    fill = float(np.median(known))
    filled = np.where(np.isnan(numbers), fill, numbers)
    deviation = float(filled.std())
    return Column(name, kind, float(filled.mean()), deviation if deviation > 0 else 1.0, fill, missing)


def _text(values: pd.Series) -> pd.Series:
    import pandas as pd

    if pd.api.types.infer_dtype(values) == "string":
        return values.astype(object)
    # A column of whole numbers with a gap is read as floats: 1.0 is the category "1" all the same.
    return values.astype(object).map(lambda v: str(plain(v)), na_action="ignore")


def _is_identifier(counts: pd.Series) -> bool:
    return len(counts) > MAX_CLASSES and len(counts) > 0.9 * counts.sum()


def _kind(name: str, values: pd.Series) -> str:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values):
        raise _date(name)
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    known = pd.Series(values.dropna().unique())
    if len(known) and {str(v).lower() for v in known} <= {"true", "false"}:
        return "boolean"
    if len(known) and known.astype(str).str.fullmatch(r"\d{4}-\d\d?-\d\d?([ T].*)?|\d\d?[/.]\d\d?[/.]\d{4}").all():
        raise _date(name)
    return "category"


def _date(name: str) -> ValueError:
    return ValueError(
        f"column {name!r}: expected numbers, booleans or categories, got dates; turn them into numbers first "
        "(days since a date, month, weekday) or drop the column"
    )


def _numbers(name: str, values: pd.Series) -> np.ndarray:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values):
        text = values.map(lambda v: {"true": 1.0, "false": 0.0}.get(str(v).lower(), v))
        values = pd.to_numeric(text, errors="coerce")
        wrong = text.notna() & values.isna()
        if wrong.any():
            row = wrong.idxmax()
            raise ValueError(f"column {name!r}: expected numbers, got {text[row]!r} in row {row}")
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def encode(column: Column, values: pd.Series) -> list[np.ndarray]:
    if column.kind == "category":
        missing = values.isna().to_numpy()
        text = _text(values).to_numpy(dtype=object)
        parts = [(text == c) & ~missing for c in column.categories]
        strange = ~missing & ~np.any(parts or [missing], axis=0)
        if strange.any():
            shown = sorted(set(text[strange]))[:5]
            warnings.warn(
                f"column {column.name!r}: {int(strange.sum())} rows hold categories that training did not see "
                f"({', '.join(shown)}); encoded as none of the known ones",
                stacklevel=4,
            )
        parts = [part.astype(np.float64) for part in parts]
    else:
        numbers = _numbers(column.name, values)
        missing = np.isnan(numbers)
        parts = [(np.where(missing, column.fill, numbers) - column.center) / column.scale]
    return [*parts, missing.astype(np.float64)] if column.indicator else parts
