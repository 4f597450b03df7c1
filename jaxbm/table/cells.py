"""The different spellings of a column, and where they stand: what recognition and encoding work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class Cells(NamedTuple):
    """A column as text."""

    codes: np.ndarray
    """int `[n]`: each row's place in `texts`, -1 for an empty cell"""
    texts: list[str]
    """the different spellings, without spaces around them, in the order in which they occur"""

    @property
    def counts(self) -> np.ndarray:
        """int `[texts]`: how many rows have each spelling."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def spread(self, values: np.ndarray, missing: Any) -> np.ndarray:
        """`[n]`: each row's entry of `values`, one for each spelling; `missing` for empty cells."""
        return np.append(values, missing)[self.codes]  # -1 finds the last


def plain(value: Any) -> Any:
    """A Python value: NumPy's scalars as Python's, whole floats as integers, texts without spaces around them."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str):
        return value.strip()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def distinct(column: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """`(codes, values)`: what stands in each row, as a place in the list of different plain values; -1 for none.

    Raises:
      ValueError: the cells are lists, dictionaries or the like.
    """
    import pandas as pd

    try:
        codes, found = pd.factorize(column)
    except (TypeError, NotImplementedError):  # the second of Arrow
        value = column.dropna().iloc[0]
        raise ValueError(
            f"column {column.name!r}: expected numbers, text, booleans or dates, got {type(value).__name__}; "
            "--drop leaves the column out (drop=[...])"
        ) from None
    values = [plain(value) for value in found]
    places: dict[Any, int] = {}
    number = [places.setdefault((isinstance(value, bool), value), len(places)) for value in values]
    if len(places) == len(values):
        return codes, values
    return np.append(np.asarray(number), -1)[codes], [value for _, value in places]


def cells(column: pd.Series) -> Cells:
    """The column's spellings; a cell of spaces alone is empty."""
    codes, values = distinct(column)
    texts = [value if isinstance(value, str) else str(value) for value in values]
    if "" not in texts and len(set(texts)) == len(texts):
        return Cells(codes, texts)
    places: dict[str, int] = {"": -1}
    number = np.asarray([-1 if text == "" else places.setdefault(text, len(places) - 1) for text in texts] + [-1])
    return Cells(number[codes], [text for text in places if text])
