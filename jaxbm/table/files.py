"""Tables from files."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def read(source: str | pathlib.Path) -> pd.DataFrame:
    """Read a CSV file with a header line.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is empty, has no rows, or names a column twice.
    """
    import pandas as pd

    path = pathlib.Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        names = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False).iloc[0].tolist()
        frame = pd.read_csv(path, low_memory=False)  # one type for each column, however long the file
    except (pd.errors.EmptyDataError, IndexError):
        raise ValueError(f"{path}: expected a CSV file with a header and rows, got an empty file") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a CSV file, could not read it: {str(error).strip()}") from None
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: expected each column once, got {twice} more than once")
    if frame.empty:
        raise ValueError(f"{path}: expected rows below the header, got none")
    return frame
