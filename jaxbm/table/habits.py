"""Habits of text files that no reader of CSV knows, taken out of the text before it is read."""

from __future__ import annotations

import csv
import re

import numpy as np

from jaxbm.core.words import counted
from jaxbm.table import numerals
from jaxbm.table.text import first_line

_COMMENTS = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*#[^\n]*\n")
_BLANKS = re.compile(r'("(?:[^"]|"")*")|^[ \t]+|[ \t]+(?=\r?$)| {2,}', re.MULTILINE)


def without_comments(text: str, told: list[str]) -> str:
    """`text` with empty lines for those that begin with `#` above the header.

    A header may begin with `#` itself: it has as many cells as the row below it, and that holds a number, or no blank
    stands behind the `#`.

    Example:
      >>> from jaxbm.table.habits import without_comments
      >>> told = []
      >>> without_comments("# made by hand\\na,b\\n1,2\\n", told), told
      ('\\na,b\\n1,2\\n', ['skipped 1 line of comments above the header'])
    """
    found = _COMMENTS.match(text)
    if found is None:
        return text
    above, below = found[0], text[found.end() :]
    row = first_line(below)
    *lines, last = above.splitlines()
    mark = next((mark for mark in ",;\t|" if mark in row), "")
    attached = not last.lstrip().startswith("# ") or np.isfinite(numerals.parse(row.split(mark or None))).any()
    if mark and last.count(mark) == row.count(mark) and attached:
        header = f"{last}\n"
    else:
        lines, header = [*lines, last], ""
    comments = sum(bool(line.strip()) for line in lines)
    if not comments or not row.strip():
        return text
    told.append(f"skipped {counted(comments, 'line')} of comments above the header")
    return "\n" * len(lines) + header + below


def with_double_quotes(text: str, sep: str, told: list[str]) -> str:
    """`text` with its cells in double quotes, where all of the header's are in single ones.

    Example:
      >>> from jaxbm.table.habits import with_double_quotes
      >>> with_double_quotes("'a','b'\\n'1,5','x'\\n", ",", [])
      '"a","b"\\n"1,5","x"\\n'
    """
    first = first_line(text).strip()
    if not first.startswith("'") or '"' in text:
        return text
    cells = next(csv.reader([first], delimiter=sep, quotechar="'", skipinitialspace=True))
    mark = re.escape(sep)
    if not all(re.search(rf"(?:^|{mark})\s*'{re.escape(cell)}'\s*(?:{mark}|$)", first) for cell in cells):
        return text
    if re.search(rf"[^{mark}\s]'[^{mark}\s]", text):  # an apostrophe, which is no quote
        return text
    told.append("cells are in single quotes")
    return text.replace("'", '"')


def with_single_blanks(text: str, told: list[str]) -> str:
    """`text` with one blank where several separate cells, and none where lines begin and end.

    Example:
      >>> from jaxbm.table.habits import with_single_blanks
      >>> with_single_blanks(' a    b\\n10  "x  y"\\n', [])
      'a b\\n10 "x  y"\\n'
    """
    changed = _BLANKS.sub(lambda found: found[1] or (" " if found[0].count(" ") > 1 and _within(found) else ""), text)
    if changed != text:
        told.append("columns are aligned by blanks")
    return changed


def _within(found: re.Match[str]) -> bool:
    """Whether blanks stand between two cells of a line."""
    text, start, end = found.string, found.start(), found.end()
    return start > 0 and text[start - 1] != "\n" and end < len(text) and text[end] not in "\r\n"
