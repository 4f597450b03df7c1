"""Numbers as people and programs spell them: thousands separators, percent and currency signs, marks for missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

#: Spellings, in lower case, that stand for a missing value in a column of numbers, dates or booleans.
MARKS = frozenset(
    {"", "?", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", ".", "..", "*", "na", "n/a", "n.a.", "n.a", "<na>"}
    | {"nan", "-nan", "1.#qnan", "-1.#ind", "null", "none", "nil", "void", "missing", "unknown", "undefined"}
    | {"blank", "empty", "not available", "not applicable", "not known", "no data", "#na", "#n/a", "#n/a!"}
    | {"#value!", "#div/0!", "#ref!", "#null!", "#num!", "#name?"}
)

_SIGNS = "$€£¥₹₽₩₺₫₪฿₴₱₦"
_CODES = "USD|EUR|GBP|CHF|JPY|INR|CAD|AUD|NZD|CNY|RMB|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|RUB|SGD|HKD"
_CURRENCY = rf"(?:[A-Z]{{0,2}}[{re.escape(_SIGNS)}]|{_CODES}|kr\.?|zł|Kč|Ft)"
_DRESSED = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+−])?\s*{_CURRENCY}?\s*(?P<inner>[-+−])?\s*"  # noqa: RUF001
    rf"(?P<body>[\d.,'’_\s]*\d[\d.,]*)(?P<power>[eE][-+]?\d+)?\s*(?:{_CURRENCY}|%)?\s*(?P<close>\))?"  # noqa: RUF001
)
_UNIT = re.compile(rf"[%{re.escape(_SIGNS)}]|{_CODES}")
_GROUPED = {
    ".": re.compile(r"\d{1,3}(?:([,\s'’_])\d{2,3})(?:\1\d{2,3})*(?<=\d{3})(?:\.\d*)?"),  # noqa: RUF001
    ",": re.compile(r"\d{1,3}(?:([.\s'’_])\d{2,3})(?:\1\d{2,3})*(?<=\d{3})(?:,\d*)?"),  # noqa: RUF001
}
_PLAIN = {mark: re.compile(rf"(?:\d+\{mark}?\d*|\{mark}\d+)") for mark in ".,"}
_LEADING_ZERO = re.compile(r"[-+]?0\d+")


def is_mark(text: str) -> bool:
    """Whether `text` stands for a missing value in a column of numbers.

    Example:
      >>> from jaxbm.table.numerals import is_mark
      >>> is_mark("N/A"), is_mark("zero")
      (True, False)
    """
    return text.strip().lower() in MARKS


def has_leading_zeros(texts: Iterable[str]) -> bool:
    """Whether any of them is spelled like `007`: a code, of which a number would lose something."""
    return any(_LEADING_ZERO.fullmatch(text) for text in texts)


def decimal_of(texts: Iterable[str], default: str = ".") -> str:
    """The decimal mark, "." or ",", that most of the spellings speak for; `default` where none does.

    `1.234,5` and `0,5` can only mean a comma, `1,234.5` and `1,234,567` only a point; `1,234` alone is taken as
    grouped by thousands.

    Example:
      >>> from jaxbm.table.numerals import decimal_of
      >>> decimal_of(["1.234,50 €", "3,5"]), decimal_of(["1,234", "0.5"])
      (',', '.')
    """
    comma = point = 0
    for text in texts:
        if "," not in text and text.count(".") < 2:
            point += "." in text and not re.search(r"(?<!\d)[1-9]\d{0,2}\.\d{3}(?!\d)", text)
            continue
        body = text.rstrip(" %€$£)").lstrip(" (+-€$£")
        last = max(body.rfind(","), body.rfind("."))
        mark, other = body[last], "." if body[last] == "," else ","
        if other in body or body.count(mark) > 1:  # two kinds, or one kind twice: the last of two kinds is decimal
            decimal = mark if body.count(mark) == 1 else other
        elif mark == "," and re.fullmatch(r"[1-9]\d{0,2},\d{3}", body):
            continue  # either may be meant
        else:
            decimal = mark
        comma, point = comma + (decimal == ","), point + (decimal == ".")
    return default if comma == point else "," if comma > point else "."


def units(texts: Iterable[str]) -> list[str]:
    """The currencies and "%" among the spellings of numbers; "no %" where some have one and others, not 0, don't.

    Example:
      >>> from jaxbm.table.numerals import units
      >>> units(["$1", "2 USD"]), units(["5%", "0.05"]), units(["$1", "2"])
      (['$', 'USD'], ['%', 'no %'], ['$'])
    """
    texts = [text for text in texts if re.search("[1-9]", text)]
    found = {sign for text in texts for sign in _UNIT.findall(text)}
    bare = "%" in found and any("%" not in text for text in texts)
    return sorted(found) + ["no %"] * bare


def parse(texts: Sequence[str], decimal: str = ".") -> np.ndarray:
    """float64 `[n]`: the numbers that the texts spell, NaN where one doesn't.

    Args:
      texts: each without spaces around it.
      decimal: "." or ","; the other one, spaces and apostrophes may group thousands.

    Example:
      >>> from jaxbm.table.numerals import parse
      >>> parse(["1,234.5", "$ 20", "-3 %", "(7)", "2e3", "twelve"]).tolist()
      [1234.5, 20.0, -3.0, -7.0, 2000.0, nan]
    """
    import pandas as pd

    plain = list(texts) if decimal == "." else ["" if "." in text else text.replace(",", ".") for text in texts]
    numbers = pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce").to_numpy(np.float64).copy()
    for i in np.flatnonzero(np.isnan(numbers)).tolist():
        numbers[i] = _dressed(texts[i], decimal)
    return numbers


def _dressed(text: str, decimal: str) -> float:
    found = _DRESSED.fullmatch(text)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return np.nan
    body = found["body"].strip()
    if _GROUPED[decimal].fullmatch(body):
        body = re.sub(r"[\s'’_]|" + re.escape("," if decimal == "." else "."), "", body)  # noqa: RUF001
    elif not _PLAIN[decimal].fullmatch(body):
        return np.nan
    value = float(body.replace(",", ".") + (found["power"] or ""))
    signs = [found["sign"], found["inner"]]
    negative = bool(found["open"]) or any(sign in ("-", "−") for sign in signs if sign)  # noqa: RUF001
    return -value if negative else value
