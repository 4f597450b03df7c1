"""Columns of numbers that identify rows rather than measure something."""

from __future__ import annotations

import re

import numpy as np

from jaxbm.table.columns import Column

MANY = 20
"""Columns with at most so many different values are never identifiers."""
IDENTIFIER_SHARE = 0.9
"""An identifier differs in more than this share of its cells."""
_LAST_WORDS = {"id", "ids", "uid", "guid", "uuid", "key", "nr", "no", "number", "num", "serial"}
_OWNERS = ["account", "case", "client", "customer", "employee", "invoice", "order", "passenger", "patient", "phone"]
_OWNERS += ["record", "row", "subject", "ticket", "user"]
_WHOLE_NAMES = {"index", "rownames", "rownum", "ssn", *_OWNERS, *(f"{owner}id" for owner in _OWNERS)}


def identifying(name: str, numbers: np.ndarray) -> str | None:
    """Why whole numbers identify rows rather than measure something; None if they don't.

    A quantity that varies over a range repeats by chance: n draws from a range of r values share about n^2 / 2r
    pairs. Numbers that were given out one by one repeat much less, or run on without gaps.
    """
    n = len(numbers)
    if n < 2 or not (numbers[:100] == np.floor(numbers[:100])).all() or not (numbers == np.floor(numbers)).all():
        return None
    different = len(np.unique(numbers))
    span = float(numbers.max() - numbers.min()) + 1
    unnamed = re.fullmatch(r"(unnamed: \d+)?", name.strip().lower()) is not None
    if unnamed and different == n and span <= 2 * n:
        return "whole numbers without a name that run on: an index"
    if different <= MANY or different <= IDENTIFIER_SHARE * n:
        return None
    shown = f"{different} different whole numbers in {n} cells"
    if unnamed or _named_so(name):
        return f"{shown}, and the name says so"
    if span <= 1.5 * n:
        return f"{shown}, which run on"
    chance = n * n / (2 * span)
    if chance >= 8 and n - different < chance / 4:
        return f"{shown}; chance would repeat {chance:.0f}"
    return None


def _named_so(name: str) -> bool:
    """Whether a column of that name is likely to hold identifiers: `CustomerId`, `order_no`, `index`.

    Example:
      >>> from jaxbm.table.identifiers import _named_so
      >>> _named_so("CustomerId"), _named_so("paid")
      (True, False)
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    return bool(words) and (words[-1] in _LAST_WORDS or words[0] == "id" or "".join(words) in _WHOLE_NAMES)


def told_apart(column: Column, different: int, value: float) -> Column:
    """A column of numbers that are one `value` as floating point: constant only where its cells are alike."""
    if different > 1 and abs(value) >= 2.0**53:
        column.kind, column.why = "identifier", f"{different} different numbers, all alike in float64"
    return column
