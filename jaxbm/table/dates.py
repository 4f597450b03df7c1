"""Dates and times of day: recognised in whatever shape they come, turned into calendar features."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

DAY = 86400.0
_BODIES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y",
    "%d/%m/%y", "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y",
    "%b %d %Y", "%B %d %Y", "%a, %d %b %Y", "%Y-%m", "%m/%Y", "%b %Y", "%B %Y", "%Y%m%d",
)  # fmt: skip
_CLOCKS = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p",
)  # fmt: skip
_ZONES = ("", "%z", " %z")
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_MAYBE = re.compile(
    rf"\d{{1,4}}[-/. ]+\d{{1,2}}([-/. ]+\d{{1,4}})?\b.*|.*\b{_MONTH}[a-z]*\b.*\d.*|.*\d.*\b{_MONTH}[a-z]*\b.*", re.I
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([ap])?\.?(?:m\.?)?", re.I)
_YEAR_FIRST = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_DURATION = re.compile(r"([-+]?\d+) days?,?(?: ([-+]?)(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?))?", re.I)
DURATION = "duration"
"""In the place of a date's format: a column of durations, which are numbers of seconds."""
#: Seconds of one unit, for counts since 1970; the range of each is 1990 to 2040.
_EPOCHS = {"epoch s": 1.0, "epoch ms": 1e-3, "epoch us": 1e-6, "epoch ns": 1e-9}
_EPOCH_RANGE = (631152000.0, 2208988800.0)
_SAMPLE, _MOST_FORMATS = 300, 6


def formats_of(texts: Sequence[str]) -> tuple[list[str], bool]:
    """The formats that spell the dates among `texts`, and whether day and month could be the other way round.

    Several formats for a column that mixes them; none where the texts aren't dates.

    Example:
      >>> from jaxbm.table.dates import formats_of
      >>> formats_of(["31/12/2023", "01/02/2024"]), formats_of(["red"])
      ((['%d/%m/%Y'], False), ([], False))
    """
    step = max(1, len(texts) // _SAMPLE)
    found: list[str] = []
    rest, ambiguous = list(texts[::step]), False
    tries = len(rest)
    while rest and len(found) < _MOST_FORMATS and tries:
        tries -= 1
        if not _MAYBE.fullmatch(rest[0]):
            rest = rest[1:]  # not a date; whether too many aren't is for the caller to judge
            continue
        fits = [(int((~np.isnan(_seconds(rest, format_))).sum()), format_) for format_ in _candidates(rest[0])]
        if not fits:
            rest = rest[1:]
            continue
        most = max(count for count, _ in fits)
        best = [format_ for count, format_ in fits if count == most]
        ambiguous |= any(_swapped(best[0]) == other for other in best[1:])
        found.append(best[0])
        parsed = ~np.isnan(_seconds(rest, best[0]))
        rest = [text for text, done in zip(rest, parsed, strict=True) if not done]
    return found, ambiguous


def _candidates(text: str) -> list[str]:
    return [
        body + clock + zone
        for body in _BODIES
        for clock in _CLOCKS
        for zone in (_ZONES if clock else ("",))
        if _spells(text, body + clock + zone)
    ]


def _spells(text: str, format_: str) -> bool:
    try:
        datetime.datetime.strptime(text, format_)
    except ValueError:
        return False
    return True


def _swapped(format_: str) -> str:
    return format_.translate(str.maketrans("md", "dm"))


def _seconds(texts: Sequence[str], format_: str) -> np.ndarray:
    import pandas as pd

    found = pd.to_datetime(pd.Series(list(texts), dtype=object), format=format_, errors="coerce", utc=True)
    return _since_1970(found)


def _since_1970(moments: pd.Series) -> np.ndarray:
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    # In nanoseconds there is no year 1500.
    return (moments.to_numpy("datetime64[us]") - np.datetime64(0, "us")) / np.timedelta64(1, "s")


def parse(texts: Sequence[str], formats: Sequence[str]) -> np.ndarray:
    """float64 `[n]`: seconds since 1970 (UTC where no zone is given), by the first format that fits; NaN for none.

    Example:
      >>> from jaxbm.table.dates import parse
      >>> parse(["1970-01-02", "02/01/1970", "soon"], ["%Y-%m-%d", "%d/%m/%Y"]).tolist()
      [86400.0, 86400.0, nan]
    """
    result = np.full(len(texts), np.nan)
    for format_ in formats:
        rest = np.flatnonzero(np.isnan(result))
        if len(rest):
            result[rest] = _seconds([texts[i] for i in rest.tolist()], format_)
    return result


def year_first(texts: Sequence[str]) -> np.ndarray:
    """As `parse`, of dates such as `2024-12-31`, which can be read in one way alone, with a time or without.

    Example:
      >>> from jaxbm.table.dates import year_first
      >>> year_first(["1970-01-02 00:00:05", "02/01/1970"]).tolist()
      [86405.0, nan]
    """
    result = np.full(len(texts), np.nan)
    some = [i for i, text in enumerate(texts) if _YEAR_FIRST.match(text)]
    if some:
        found = [texts[i] for i in some]
        result[some] = parse(found, formats_of(found)[0])
    return result


def parse_times(texts: Sequence[str]) -> np.ndarray:
    """float64 `[n]`: seconds since midnight, NaN for what is not a time of day.

    Example:
      >>> from jaxbm.table.dates import parse_times
      >>> parse_times(["12:30", "1:00:30 PM", "24:00"]).tolist()
      [45000.0, 46830.0, nan]
    """
    return np.asarray([_time(text) for text in texts], np.float64)


def _time(text: str) -> float:
    found = _TIME.fullmatch(text)
    if found is None:
        return np.nan
    hours, minutes, seconds = int(found[1]), int(found[2]), float(found[3] or 0)
    if found[4]:
        if not 1 <= hours <= 12:
            return np.nan
        hours = hours % 12 + 12 * (found[4].lower() == "p")
    return np.nan if hours > 23 or minutes > 59 or seconds >= 60 else hours * 3600 + minutes * 60 + seconds


def parse_durations(texts: Sequence[str]) -> np.ndarray:
    """float64 `[n]`: seconds of durations as pandas and SQL write them, NaN for what is none.

    Example:
      >>> from jaxbm.table.dates import parse_durations
      >>> parse_durations(["1 days 00:01:30", "-1 day, 23:00:00", "2 days", "soon"]).tolist()
      [86490.0, -3600.0, 172800.0, nan]
    """
    return np.asarray([_duration(text) for text in texts], np.float64)


def _duration(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        return np.nan
    clock = int(found[3] or 0) * 3600 + int(found[4] or 0) * 60 + float(found[5] or 0)
    return int(found[1]) * DAY + (-clock if found[2] == "-" else clock)


def numeric_format(numbers: np.ndarray) -> str | None:
    """How plain numbers are dates: "%Y%m%d" for 20230901, "epoch s" for seconds since 1970 (or ms, us, ns), or None.

    Args:
      numbers: float64 `[n]` without missing values, at least two of them different.
    """
    low, high = numbers.min(), numbers.max()
    if low == high:
        return None
    whole = bool((numbers == np.floor(numbers)).all())
    if whole and low >= 19000101 and high <= 21001231:
        year, month, day = numbers // 10000, numbers // 100 % 100, numbers % 100
        if ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1900)).all():
            return "%Y%m%d"
    for name, unit in _EPOCHS.items():
        if _EPOCH_RANGE[0] <= low * unit and high * unit <= _EPOCH_RANGE[1]:
            return name if (high - low) * unit >= 1 else None  # all within a second: numbers that were given out
    return None


def from_numbers(numbers: np.ndarray, format_: str) -> np.ndarray:
    """Seconds since 1970 of numbers in a format of `numeric_format`; NaN stays NaN."""
    if format_ in _EPOCHS:
        return numbers * _EPOCHS[format_]
    return _seconds(["" if np.isnan(value) else str(int(value)) for value in numbers], format_)


def from_moments(moments: pd.Series) -> np.ndarray:
    """Seconds since 1970 of a column whose type is a date's; NaN for none."""
    import pandas as pd

    if isinstance(moments.dtype, pd.PeriodDtype):
        moments = moments.dt.to_timestamp()
    return _since_1970(moments)


def calendar(seconds: np.ndarray) -> dict[str, np.ndarray]:
    """Features of moments, each float64 `[n]`: days since 1970, and sine and cosine of time of day, week and year.

    Cyclic features come in pairs, so that midnight is near to one minute before it.
    """
    days = seconds / DAY
    week = (days - 4) / 7  # 1970 began on a Thursday: a week begins on Monday the 5th of January
    weekend = (np.floor(days - 4) % 7 >= 5).astype(np.float64)
    year = days / 365.2425
    return {"days": days} | clock(seconds) | _circle("week", week) | {"weekend": weekend} | _circle("year", year)


def clock(seconds: np.ndarray) -> dict[str, np.ndarray]:
    """Sine and cosine of the time of day, each float64 `[n]`."""
    return _circle("day", seconds / DAY)


def _circle(name: str, turns: np.ndarray) -> dict[str, np.ndarray]:
    angle = 2 * np.pi * (turns % 1)
    return {f"sine of {name}": np.sin(angle), f"cosine of {name}": np.cos(angle)}
