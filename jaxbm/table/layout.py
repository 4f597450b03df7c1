"""How a text file lays out its table: the separator, the header, and rows that have more or fewer cells than it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jaxbm.core.words import counted
from jaxbm.table import numerals
from jaxbm.table.text import cell_counts, first_line, parts, rows

SEPARATORS = ",;\t|"
_SPELLED = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
_SNIFFED_ROWS = 200


class Layout(NamedTuple):
    """What the reader needs to know."""

    names: list[str]
    """of the columns, in order"""
    extra: int
    """empty cells that rows have at their end beyond the header's"""
    header_rows: int
    """0 or 1, after what is skipped"""
    told: list[str]


def separator(text: str, wanted: str | None) -> str:
    """The one that was named, else the one by which the first rows have the same number of cells, and several.

    Raises:
      ValueError: `wanted` is not a single character, or separates nothing where another one does.
    """
    if wanted is not None:
        found = _SPELLED.get(wanted.lower(), wanted)
        if len(found) != 1:
            raise ValueError(f"sep: expected one character, got {wanted!r}")
        first = first_line(text).strip()
        if found not in first and (other := separator(text, None)) in first:
            raise ValueError(f"sep: expected what separates {_shown([first], found)}, {other!r}, got {found!r}")
        return found
    lines = list(
        itertools.islice((line for part in parts(text) for line in part.split("\n") if line.strip()), _SNIFFED_ROWS)
    )
    best, most = ",", 0.0
    for candidate in SEPARATORS + " ":
        some = [line.strip() for line in lines] if candidate == " " else lines
        counts = [len(row) for row in csv.reader(some, delimiter=candidate, skipinitialspace=True) if row]
        cells = max(set(counts), key=counts.count) if counts else 1
        score = counts.count(cells) / len(counts) * min(counts[0], cells) if cells > 1 and counts[0] > 1 else 0.0
        if score > most and (candidate != " " or (most == 0 and counts.count(cells) == len(counts))):
            best, most = candidate, score
    return best


def lay_out(name: str, text: str, sep: str, header: bool | None) -> Layout:
    """The names of the columns and the shape of the rows.

    Raises:
      ValueError: the file is empty, a name stands twice, the first row looks like data where `header` leaves it open,
        or rows have more cells than the header.
    """
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may be a long text
    first = _first_row(text, sep)
    if first is None:
        raise ValueError(f"{name}: expected a CSV file with a header and rows, got an empty file")
    counts, lines = cell_counts(text, sep)
    told: list[str] = []
    if header is False:
        width = int(counts.max())
        names = [str(i) for i in range(width)]
        told.append(f"no header: the columns are called {names[0]} to {names[-1]}")
        return Layout(names, 0, 0, [*told, *_short(name, counts, lines, width)])
    if header is None:
        _check_header(name, text, sep, first)
    names = [cell.strip() for cell in first]
    counts, lines = counts[1:], lines[1:]
    names, extra = _fit(name, text, sep, names, counts, lines, told)
    names = [cell or f"Unnamed: {i}" for i, cell in enumerate(names)]
    twice = sorted({cell for cell in names if names.count(cell) > 1})
    if twice:
        raise ValueError(
            f"{name}: expected each column once, got {twice} more than once; rename or delete the others"
        )
    return Layout(names, extra, 1, told + _short(name, counts, lines, len(names)))


def _first_row(text: str, sep: str) -> list[str] | None:
    return next((row for row in rows(text, sep) if row), None)


def _check_header(name: str, text: str, sep: str, first: list[str]) -> None:
    """ValueError where the first row is data: names are hardly ever numbers, nor values of their own columns."""
    sample = [row for row in itertools.islice(filter(None, rows(text, sep)), 1, 1001) if len(row) == len(first)]
    cells = [cell.strip() for cell in first]
    numbers = numerals.parse(cells)
    named = [cell for cell in cells if cell]
    is_number = ~np.isnan(numbers)
    if not sample or (not is_number.any() and len(sample) < 5):
        return
    counted = numbers[is_number]
    if len(counted) > 1 and (counted == np.floor(counted)).all():
        years = bool(((counted >= 1800) & (counted <= 2200)).all())
        if years or (np.diff(counted) == 1).all():
            return  # years, and 0, 1, 2, ... are names
    among = [
        bool(np.isfinite(numbers[i])) or cell in {row[i].strip() for row in sample}
        for i, cell in enumerate(cells)
        if cell
    ]
    if (
        not named
        or not all(among)
        or (is_number.sum() < max(1, len(named) / 4) and len(set(named)) == len(named) > 20)
    ):
        return
    raise ValueError(
        f"{name}: its first row, {_shown(first, sep)}, looks like data, not like names of columns; --no-header "
        "(header=False) reads it as data and calls the columns 0, 1, ...; --header (header=True) takes it as names"
    )


def _fit(
    name: str, text: str, sep: str, names: list[str], counts: np.ndarray, lines: np.ndarray, told: list[str]
) -> tuple[list[str], int]:
    """The names for rows of such lengths, and how many empty cells rows have beyond them."""
    width, longest = len(names), int(counts.max(initial=0))
    if 0 < longest < width and not any(names[longest:]):
        told.append("the header ends with a separator, the rows don't: taken as no name")
        return names[:longest], 0
    if longest <= width:
        return names, 0
    # Cells beyond the header's, where there are some, are the exception: of a large file no list of rows is made.
    below = enumerate(itertools.islice(filter(None, rows(text, sep)), 1, None))
    odd = next(((i, row) for i, row in below if any(cell.strip() for cell in row[width:])), None)
    if odd is None:
        told.append(
            f"{_count(int((counts > width).sum()))} with a separator, the header doesn't: taken as empty cells "
            "beyond it"
        )
        return names, longest - width
    if (counts == width + 1).all() and _row_names(
        row[0] for row in itertools.islice(filter(None, rows(text, sep)), 1, None)
    ):
        told.append("the header lacks a name for the first column, which numbers the rows")
        return ["", *names], 0
    way_out = "quote cells that contain the separator, or name it with --sep (sep=...)"
    if width == 1 and counts[odd[0] :].min() > 1:
        way_out = "if that is the header, delete what stands above it"
    raise ValueError(
        f"{name}: expected {width} cells as in the header, {_shown(names, sep)}, got {len(odd[1])} in line "
        f"{int(lines[odd[0]])}, {_shown(odd[1], sep)}; {way_out}"
    )


def _row_names(cells: Iterable[str]) -> bool:
    return all(cell.strip() == str(i) for i, cell in enumerate(cells, 1))


def _short(name: str, counts: np.ndarray, lines: np.ndarray, width: int) -> list[str]:
    """A remark on rows with fewer cells than columns; ValueError where that are most of them."""
    shorter = np.flatnonzero(counts < width)
    if not len(shorter):
        return []
    first = shorter[0]
    if len(shorter) > len(counts) / 2:
        raise ValueError(
            f"{name}: expected {width} cells in each row, got {int(counts[first])} in line {int(lines[first])} "
            f"and fewer than {width} in {len(shorter)} of {len(counts)} rows; name the separator with --sep (sep=...)"
        )
    return [
        f"{_count(len(shorter))} early, the first in line {int(lines[shorter[0]])}: the last cells taken as empty"
    ]


def _count(rows: int) -> str:
    return f"{counted(rows, 'row')} {'ends' if rows == 1 else 'end'}"


def _shown(cells: list[str], sep: str, most: int = 80) -> str:
    line = sep.join(cells)
    return repr(line if len(line) <= most else line[: most - 3] + "...")
