"""A command's result for scripts: what it leaves in `arguments.outcome`, as JSON."""

from __future__ import annotations

import json
import math
from typing import Any


def as_json(outcome: Any) -> str:
    """One object on one line; numbers that JSON does not have become null.

    Example:
      >>> from jaxbm.cli.outcome import as_json
      >>> as_json({"loss": float("nan"), "rows": 3})
      '{"loss": null, "rows": 3}'
    """
    return json.dumps(_plain(outcome), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if hasattr(value, "tolist"):  # NumPy's and JAX's numbers and arrays
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)  # dates, paths
