"""A file that says what the columns of a table are: proposed, corrected by a person, read."""

from __future__ import annotations

import json
import os
import pathlib

from jaxbm.core.names import unknown
from jaxbm.table.columns import LEFT_OUT, USED
from jaxbm.table.preparation import Preparation

_HEAD = """\
# What each column is; correct what is wrong and pass the file as --types.
# Features: number, boolean, category, date, time. Left out: identifier, text, constant, empty, dropped.
[types]
"""


def types_of(preparation: Preparation) -> dict[str, str]:
    """`{column: kind}` of all columns but the target, as they were recognised.

    Example:
      >>> from jaxbm import table
      >>> table.types_of(table.prepare(*table.demo("iris")))["petal width (cm)"]
      'number'
    """
    return {column.name: column.kind for column in [*preparation.columns, *preparation.dropped]}


def types_text(preparation: Preparation) -> str:
    """The same as the text of a file for `read_types`, in TOML."""
    kinds = types_of(preparation)
    lines = [f"{json.dumps(name, ensure_ascii=False)} = {json.dumps(kind)}\n" for name, kind in kinds.items()]
    return _HEAD + "".join(lines)


def read_types(path: str | os.PathLike[str]) -> dict[str, str]:
    """`{column: kind}` from a TOML file with a section `[types]`, or from JSON.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it can't be read, or names a kind that there is not.
    """
    import tomllib

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"types: {path}: no such file")
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"types: {path}: expected TOML or JSON, could not read it: {error}") from None
    kinds = content.get("types", content) if isinstance(content, dict) else None
    if not isinstance(kinds, dict) or not all(isinstance(kind, str) for kind in kinds.values()):
        raise ValueError(f'types: {path}: expected a section [types] with lines such as "age" = "number"')
    for name, kind in kinds.items():
        if kind not in (*USED, *LEFT_OUT):
            raise unknown(f"types: {path}: kind of column {name!r}", kind, (*USED, *LEFT_OUT))
    return kinds
