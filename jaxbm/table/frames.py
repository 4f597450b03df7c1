"""Tables as they come: names of columns as text, marks for missing cells as empty ones."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.checks import is_several, told
from jaxbm.core.names import unknown

if TYPE_CHECKING:
    import pandas as pd


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as one of pandas, with the names of its columns as text.

    Args:
      frame: of pandas, or of another library from which pandas' can be made: PyArrow, Polars, DuckDB, ...

    Raises:
      TypeError: it is no table.
      ValueError: two columns have the same name.
    """
    frame = _without_arrow(as_pandas(frame))
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if not frame.columns.is_unique:
        twice = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise ValueError(f"table: expected each column once, got {twice} more than once; rename or delete the others")
    return frame


def as_pandas(frame: Any, name: str = "frame") -> pd.DataFrame:
    """A table of whatever library as one of pandas.

    Raises:
      TypeError: it is no table.
    """
    import pandas as pd

    if isinstance(frame, pd.DataFrame):
        return frame
    if hasattr(frame, "collect") and hasattr(frame, "lazy"):  # of Polars, not computed yet
        frame = frame.collect()
    names = getattr(frame, "column_names", None) or getattr(frame, "columns", None)
    if isinstance(names, list) and hasattr(frame, "to_dict") and hasattr(frame, "get_column"):
        # Polars' own conversion needs PyArrow.
        return pd.DataFrame({column: frame.get_column(column).to_list() for column in names})
    for conversion in ("to_pandas", "df"):
        if hasattr(frame, conversion):
            found = getattr(frame, conversion)()
            if isinstance(found, pd.DataFrame):
                return found
    way_out = ""
    if isinstance(frame, str | os.PathLike):
        way_out = "; jaxbm.table.read makes one of a file"
    elif isinstance(frame, dict | list | np.ndarray | pd.Series):
        way_out = "; pandas.DataFrame makes one" + (" of [row]" if isinstance(frame, pd.Series) else " of it")
    raise TypeError(f"{name}: expected a table of pandas, Polars or PyArrow, got a {type(frame).__name__}{way_out}")


def _without_arrow(frame: pd.DataFrame) -> pd.DataFrame:
    """Arrow's dates and durations as pandas' own, which know how many seconds they are."""
    import pandas as pd

    changed = {}
    for place, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, pd.ArrowDtype) and str(dtype).startswith(("date32", "date64")):
            changed[place] = "datetime64[s]"
        elif isinstance(dtype, pd.ArrowDtype) and str(dtype).startswith("duration"):
            changed[place] = f"timedelta64[{dtype.pyarrow_dtype.unit}]"
    if not changed:
        return frame
    columns = [
        frame.iloc[:, i].astype(changed[i]) if i in changed else frame.iloc[:, i] for i in range(frame.shape[1])
    ]
    found = pd.concat(columns, axis=1)
    found.attrs = frame.attrs
    return found


def text_of(name: Any) -> Any:
    """The name of a column as `named` spells it; None stays None."""
    return name if name is None or isinstance(name, str) else str(name)


def without(frame: pd.DataFrame, missing: Iterable[Any]) -> pd.DataFrame:
    """The table with empty cells where one of the values `missing` stood, as text or as the same number.

    Example:
      >>> import pandas as pd
      >>> from jaxbm.table.frames import without
      >>> without(pd.DataFrame({"x": [1.0, -999.0], "y": ["?", "a"]}), ["-999", "?"]).isna().sum().tolist()
      [1, 1]
    """
    import pandas as pd

    texts = {str(value).strip() for value in missing}
    if not texts:
        return frame
    numbers = [float(number) for number in pd.to_numeric(pd.Series(sorted(texts)), errors="coerce").dropna()]
    changed = {}
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            hit = column.isin(numbers).to_numpy()
        elif isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(column):
            hit = column.astype(object).map(lambda v: str(v).strip() in texts, na_action="ignore")
            hit = hit.fillna(False).to_numpy(bool)
        else:
            continue
        if hit.any():
            changed[name] = column.mask(hit, np.nan)
    return frame.assign(**changed) if changed else frame


def several(name: str, given: Iterable[Any]) -> list[Any]:
    """Names or marks as a list; a single text is one of them, not its letters.

    Raises:
      TypeError: it is neither text nor several of something; `name` is the argument's.

    Example:
      >>> from jaxbm.table.frames import several
      >>> several("missing", "NA"), several("missing", ("NA", "?"))
      (['NA'], ['NA', '?'])
    """
    if not (isinstance(given, str) or is_several(given)):
        raise TypeError(f"{name}: expected one text or several, got {told(given)}")
    return [given] if isinstance(given, str) else list(given)


def check_names(kind: str, names: Iterable[str], frame: pd.DataFrame) -> None:
    """ValueError where one of the `names` is no column of the table."""
    for name in names:
        if name not in frame.columns:
            raise unknown(kind, name, map(str, frame.columns))
