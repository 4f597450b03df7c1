"""Tables from files: CSV in whatever dialect, and other forms."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core import checks
from jaxbm.core.calls import helpful
from jaxbm.core.extras import needs
from jaxbm.table import numerals
from jaxbm.table.cells import cells
from jaxbm.table.forms import form_of, read_form
from jaxbm.table.frames import several, without
from jaxbm.table.habits import with_double_quotes, with_single_blanks, without_comments
from jaxbm.table.layout import Layout, lay_out, separator
from jaxbm.table.source import decode, load
from jaxbm.table.text import Reading, may_have_leading_zeros

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table.preparation import Preparation


_SPELLED = 8
"""Columns of numbers that are read as text at once."""


@needs("jaxbm.table")
@helpful
def read(
    source: Any,
    *,
    sep: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    missing: Iterable[Any] = (),
    text: Iterable[str] = (),
    like: Preparation | None = None,
) -> pd.DataFrame:
    """Read a CSV, Parquet, Feather or JSON file.

    A cell is missing where it is empty; `NA`, `None` or `?` stay text, and `prepare` says what it makes of them.
    Columns of codes such as `007` stay text. What was found out about the file stands in the frame's `attrs["told"]`.
    JSON is an object a row, one below the other or in a list; an object within it becomes columns `outer.inner`.

    Args:
      source: a path, "-" for standard input, or an open file; it may be packed by gzip, bzip2, xz, zip, tar or
        Zstandard.
      sep: what separates cells; found if None.
      decimal: the decimal mark, "." or ","; found if None.
      encoding: such as "utf-8" or "cp1252"; found if None.
      header: whether the first row names the columns; if not, they are called "0", "1", ... None makes sure that a
        first row of data is not taken for names.
      missing: values that stand for missing cells, in every column.
      text: columns to read as text.
      like: a preparation of a training table, whose columns are read as they were then.

    Raises:
      FileNotFoundError: there is no such file.
      ModuleNotFoundError: it is Parquet, Feather or packed by Zstandard, and pyarrow is absent.
      TypeError: `source` is no path.
      ValueError: it is damaged, of another kind or empty, has no rows, names a column twice, has rows that don't fit
        the header or looks as if it had no header, or isn't text.

    Example:
      >>> import io
      >>> from jaxbm import table
      >>> frame = table.read(io.StringIO("zip;price\\n007;1,5\\n123;2,5\\n"))
      >>> frame["zip"].tolist(), frame["price"].tolist()
      (['007', '123'], [1.5, 2.5])
    """
    if not (decimal is None or (isinstance(decimal, str) and decimal in (".", ","))):
        raise ValueError(f"decimal: expected '.' or ',', got {checks.told(decimal)}")
    missing, text, given = several("missing", missing), several("text", text), decimal
    if like is not None:
        missing, text = missing + like.missing, text + like.text_columns
        if decimal is None and "," in [column.decimal for column in like.columns] + [like.target_decimal]:
            decimal = ","
    found = load(source)
    if (form := form_of(found.data)) is not None:
        for name, value in (("sep", sep), ("decimal", given), ("encoding", encoding), ("header", header)):
            if value is not None:
                raise ValueError(f"{name}: expected None for {found.name}, a {form} file, got {value!r}")
        return without(read_form(found, form), missing)
    name, (body, used_encoding) = found.name, decode(found, encoding)
    del found  # its bytes, of which `body` is the text
    sep_line = re.match(r"sep=(.)\r?\n", body)  # written by spreadsheets
    if sep_line:
        body, sep = body[sep_line.end() :], sep or sep_line[1]
    told: list[str] = []
    body = without_comments(body, told)
    try:
        used_sep = separator(body, sep)
        body = with_double_quotes(body, used_sep, told)
        body = with_single_blanks(body, told) if used_sep == " " else body
        layout = lay_out(name, body, used_sep, header)
    except csv.Error as error:
        raise ValueError(f"{name}: expected a CSV file, could not read it: {error}") from None
    told += layout.told
    frame = _typed(name, body, used_sep, layout, decimal or ".", text)
    if decimal is None and _has_decimal_commas(frame):
        decimal = ","
        frame = _typed(name, body, used_sep, layout, decimal, text)
    if frame.empty:
        raise ValueError(f"{name}: expected rows below the header, got none")
    _keep_codes(name, frame, body, used_sep, layout, told)
    unusual = [f"separator {used_sep!r}"] * (used_sep != ",") + [f"decimal mark {decimal!r}"] * (decimal == ",")
    unusual += [f"encoding {used_encoding}"] * (used_encoding not in ("utf-8", "utf-8-sig"))
    if unusual:
        told.insert(0, f"read {name}: " + ", ".join(unusual))
    frame = without(frame, missing)
    frame.attrs = {"told": told, "decimal": decimal or "."}
    return frame


def _typed(
    name: str, body: str, sep: str, layout: Layout, decimal: str, text: list[str], only: list[str] | None = None
) -> pd.DataFrame:
    """The table with numbers where every filled cell of a column is one."""
    import pandas as pd

    names = [*layout.names, *(f"beyond {i}" for i in range(layout.extra))]
    try:
        return pd.read_csv(
            Reading(body), sep=sep, header=0 if layout.header_rows else None, names=names, index_col=False,
            usecols=only or layout.names, na_values=[""], keep_default_na=False, skipinitialspace=True,
            decimal=decimal, dtype=dict.fromkeys(text, str), low_memory=False,
        )  # fmt: skip
    except pd.errors.ParserError as error:
        raise ValueError(f"{name}: expected a CSV file, could not read it: {str(error).strip()}") from None


def _has_decimal_commas(frame: pd.DataFrame) -> bool:
    """Whether a column of text consists of numbers with decimal commas."""
    for column in frame.columns:
        if frame[column].dtype.kind in "ifub":
            continue
        texts = [text for text in cells(frame[column].iloc[:1000]).texts if not numerals.is_mark(text)]
        if not any("," in text for text in texts) or numerals.decimal_of(texts) != ",":
            continue
        if np.isfinite(numerals.parse(texts, ",")).mean() >= 0.95:
            return True
    return False


def _keep_codes(name: str, frame: pd.DataFrame, body: str, sep: str, layout: Layout, told: list[str]) -> None:
    """Put the text back in columns that were read as numbers, but where cells have leading zeros."""
    numeric = [column for column in frame.columns if frame[column].dtype.kind in "iuf"]
    if not numeric or not may_have_leading_zeros(body, sep):
        return
    codes = []
    for first in range(0, len(numeric), _SPELLED):  # a few at a time: texts take ten times as much memory as numbers
        some = numeric[first : first + _SPELLED]
        spelled = _typed(name, body, sep, layout, ".", some, only=some)
        for column in some:
            if numerals.has_leading_zeros(cells(spelled[column]).texts):
                frame[column] = spelled[column]
                codes.append(column)
    if codes:
        told.append(f"kept as text for their leading zeros: {', '.join(codes)}")
