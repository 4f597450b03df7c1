"""Tables and times as text."""

from __future__ import annotations

import math
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A Markdown table; the first `left` columns to the left, numbers to the right.

    Example:
      >>> print(table(["who", "time"], [["jaxbm", "1 us"]]))
      | who | time |
      |---|---:|
      | jaxbm | 1 us |
    """
    rules = ["---" if i < left else "---:" for i in range(len(header))]
    lines = [" | ".join(header), None, *(" | ".join(row) for row in rows)]
    return "\n".join("|" + "|".join(rules) + "|" if line is None else f"| {line} |" for line in lines)


def seconds_text(seconds: float) -> str:
    """A time in the unit that suits it.

    Example:
      >>> seconds_text(3.3e-6), seconds_text(0.25), seconds_text(12.3)
      ('3.30 us', '250 ms', '12.3 s')
    """
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if seconds >= factor or unit == "ns":
            break
    value = seconds / factor
    return f"{value:.{max(0, 2 - int(math.log10(max(value, 1))))}f} {unit}"


def put_between(text: str, begin: str, end: str, block: str) -> str:
    """`text` with what is between the two markers replaced by `block`.

    Raises:
      ValueError: a marker is missing, or there twice.
    """
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"expected {begin} and {end} once each")
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{block}\n\n{end}{rest.split(end)[1]}"
