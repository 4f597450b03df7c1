"""How results are shown at a prompt: what they hold, arrays by type and shape instead of their numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

LINE = 100
"""characters that stand on one line"""
MOST = 6
"""entries that are shown of a sequence or a mapping"""


def brief(value: Any) -> str:
    """A value in few words: an array by its dtype and shape, or its number where it is one; pytrees by their leaves.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.brief import brief
      >>> brief({"loss": np.ones(10, "float32"), "epoch": np.int32(3)})
      "{'loss': float32[10], 'epoch': 3}"
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value)
    if hasattr(value, "columns") and hasattr(value, "shape"):
        return f"{type(value).__name__}[{', '.join(str(n) for n in value.shape)}]"
    if isinstance(value, Mapping):
        return "{" + _listed([f"{key!r}: {brief(one)}" for key, one in list(value.items())[:MOST]], len(value)) + "}"
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        ends = "()" if isinstance(value, tuple) else "[]"
        return ends[0] + _listed([brief(one) for one in value[:MOST]], len(value)) + ends[1]
    text = f"{type(value).__name__}({', '.join(_fields(value))})" if _is_record(value) else repr(value)
    return text if len(text) <= 2 * LINE else f"{type(value).__name__}(...)"


def shown(self: Any) -> str:
    """What `__repr__` of a dataclass or named tuple gives: one line if it fits, otherwise one for each field."""
    fields, name = _fields(self), type(self).__name__
    line = f"{name}({', '.join(fields)})"
    return line if len(line) <= LINE else f"{name}(\n  " + ",\n  ".join(fields) + ",\n)"


def _is_record(value: Any) -> bool:
    return hasattr(value, "_fields") or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _fields(value: Any) -> list[str]:
    names = value._fields if hasattr(value, "_fields") else [f.name for f in dataclasses.fields(value) if f.repr]
    return [f"{name}={brief(getattr(value, name))}" for name in names]


def _array(value: Any) -> str:
    try:
        if value.shape == ():
            return str(value.item())
    except Exception:  # a traced one, a key, one that was given away: it has no number to show
        pass
    return f"{value.dtype}[{', '.join(str(n) for n in value.shape)}]"


def _listed(shown: list[str], number: int) -> str:
    return ", ".join([*shown, *([f"... {number} in all"] if number > len(shown) else [])])
