"""A file's text, a part at a time: whole copies of it, of four bytes a letter, would be most of the memory."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

PART = 1 << 20
_FIRST = re.compile(r"(?:[ \t]*[\r\n])*([^\r\n]*)")


def parts(text: str, size: int | None = None) -> Iterator[str]:
    """The text in slices of some `size` letters (`PART`), each of which ends where a line does.

    Example:
      >>> from jaxbm.table.text import parts
      >>> list(parts("ab\\ncd\\nef", size=1))
      ['ab\\n', 'cd\\n', 'ef']
    """
    start, size = 0, PART if size is None else size
    while start < len(text):
        end = text.find("\n", start + size) + 1 or len(text)
        yield text[start:end]
        start = end


def first_line(text: str) -> str:
    """The first line in which anything stands, without its end."""
    return _FIRST.match(text)[1]  # type: ignore[index]


def rows(text: str, sep: str) -> Any:
    """A `csv.reader` of the rows of cells, blank ones included."""
    lines = (line for part in parts(text) for line in io.StringIO(part, newline=""))
    return csv.reader(lines, delimiter=sep, skipinitialspace=True)


class Reading(io.TextIOBase):
    """The text as an open file, which `io.StringIO` would copy."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int | None = -1) -> str:
        """As of every file."""
        start, end = self._at, len(self._text) if size is None or size < 0 else self._at + size
        self._at = min(end, len(self._text))
        return self._text[start:end]


def cell_counts(text: str, sep: str) -> tuple[np.ndarray, np.ndarray]:
    """The number of cells and the line number of each row that isn't blank."""
    if '"' in text or text.count("\r") != text.count("\r\n") or not sep.isascii():
        reader = rows(text, sep)
        pairs = ((len(row), reader.line_num) for row in reader if row)
        found = np.fromiter(pairs, np.dtype([("cells", np.int64), ("line", np.int64)]))
        return found["cells"], found["line"]
    counts, numbers, before = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for part in parts(text):
        cells, blank = _counted(part, sep)
        counts.append(cells[~blank])
        numbers.append(np.flatnonzero(~blank) + 1 + before)
        before += len(blank)
    return np.concatenate(counts), np.concatenate(numbers)


def _counted(part: str, sep: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each line the number of cells, and whether it is blank."""
    data = np.frombuffer((part if part.endswith("\n") else part + "\n").encode(), np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    starts = np.append(0, ends[:-1] + 1)
    separators = np.flatnonzero(data == ord(sep))
    counts = np.searchsorted(separators, ends) - np.searchsorted(separators, starts) + 1
    return counts, (ends == starts) | ((ends == starts + 1) & (data[starts] == ord("\r")))


def may_have_leading_zeros(text: str, sep: str) -> bool:
    """Whether any cell begins like `007`.

    Example:
      >>> from jaxbm.table.text import may_have_leading_zeros
      >>> may_have_leading_zeros("a,b\\n1,-07\\n", ","), may_have_leading_zeros("a,b\\n1.007,0.5\\n", ",")
      (True, False)
    """
    cell = re.compile(rf'(?:^|[\n"{re.escape(sep)}]) *[-+]?0\d')
    for part in parts(text):
        data = np.frombuffer(part.encode(), np.uint8)
        zeros = np.flatnonzero((data[:-1] == ord("0")) & (data[1:] - ord("0") < 10))
        # Most stand within a number; a pattern takes ten times as long to tell so.
        before = data[zeros[zeros > 0] - 1]
        within = (before - ord("0") < 10) | (before == ord("."))
        if (zeros[:1] == 0).any() or not within.all():
            found = cell.search(part)
            if found is not None:
                return True
    return False
