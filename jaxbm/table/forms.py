"""Tables from files that are no CSV: Parquet, Feather (Arrow's files), and JSON, an object a row."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

from jaxbm.core.extras import needs
from jaxbm.table.frames import named
from jaxbm.table.source import Source, decode

if TYPE_CHECKING:
    import pandas as pd

#: How files begin that pandas reads with PyArrow, what they are called, and by which of its functions.
_ARROW = {
    b"PAR1": ("Parquet", "read_parquet"),
    b"ARROW1": ("Feather", "read_feather"),
    b"FEA1": ("Feather", "read_feather"),
}
_JSON = re.compile(rb'(\xef\xbb\xbf)?\s*(\{\s*"[^"\n]*"\s*:|\[\s*\{\s*")')
_ELSE = "pandas.read_json reads other forms, its to_csv makes a CSV file"


def form_of(data: bytes) -> str | None:
    """What the bytes are by their beginning: "Parquet", "Feather" or "JSON"; None for what may be CSV.

    Example:
      >>> from jaxbm.table.forms import form_of
      >>> form_of(b'{"age": 3}'), form_of(b"age,name")
      ('JSON', None)
    """
    for magic, (form, _) in _ARROW.items():
        if data.startswith(magic):
            return form
    return "JSON" if _JSON.match(data) else None


@needs("jaxbm.table")
def read_form(source: Source, form: str) -> pd.DataFrame:
    """The table of a file of that form, with its columns' names as text.

    Raises:
      ValueError: it is damaged, has no rows, names a column twice, or is JSON of another form than an object a row.
      ModuleNotFoundError: pyarrow is absent, and needed.

    Example:
      >>> from jaxbm.table.forms import read_form
      >>> from jaxbm.table.source import Source
      >>> read_form(Source("t.jsonl", b'{"age": 3, "at": {"zip": "007"}}'), "JSON").to_dict("list")
      {'age': [3], 'at.zip': ['007']}
    """
    frame = _json(source) if form == "JSON" else _arrow(source, form)
    if frame.empty:
        raise ValueError(f"{source.name}: expected rows, got none")
    return named(frame)


def _arrow(source: Source, form: str) -> pd.DataFrame:
    import pandas as pd

    reader = next(reader for magic, (_, reader) in _ARROW.items() if source.data.startswith(magic))
    try:
        frame = getattr(pd, reader)(io.BytesIO(source.data))
    except ImportError:
        raise ModuleNotFoundError(f"reading {form} needs pyarrow: pip install 'jaxbm[parquet]'") from None
    except Exception as error:  # pyarrow's own errors, of several kinds
        raise ValueError(f"{source.name}: expected a {form} file, could not read it: {error}") from None
    # Written with a named index: a column like the others.
    return frame.reset_index() if any(frame.index.names) and not frame.empty else frame


def _json(source: Source) -> pd.DataFrame:
    import pandas as pd

    text, _ = decode(source)
    try:
        rows = _objects(text.strip())
    except ValueError as error:
        raise ValueError(f"{source.name}: expected JSON, could not read it: {error}") from None
    of_lists = (
        len(rows) == 1 and isinstance(rows[0], dict) and all(isinstance(v, list | dict) for v in rows[0].values())
    )
    if of_lists or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"{source.name}: expected JSON of an object a row, one below the other or in a list; {_ELSE}"
        )
    if any(isinstance(value, dict) for row in rows for value in row.values()):
        frame = pd.json_normalize(rows)
    else:
        frame = pd.DataFrame(rows)
    for name in frame.columns:
        if frame[name].dtype == object and frame[name].map(lambda cell: isinstance(cell, list | dict)).any():
            raise ValueError(
                f"{source.name}: expected numbers, text, booleans or null in each cell, got lists in {name!r}; "
                + _ELSE
            )
    return frame


def _objects(text: str) -> list[Any]:
    """The values of a JSON text, of which there may be one after the other; those of a list if it is one."""
    found, place, decoder = [], 0, json.JSONDecoder()
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        found.append(value)
        while place < len(text) and text[place].isspace():
            place += 1
    return found[0] if len(found) == 1 and isinstance(found[0], list) else found
