"""A recognised column: its statistics from training rows, its cells as numbers, its features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxbm.core.words import counted
from jaxbm.table import dates, numerals
from jaxbm.table.cells import Cells, cells
from jaxbm.table.columns import Column
from jaxbm.table.identifiers import MANY
from jaxbm.table.number_encodings import center_and_scale, learn_encoding, number_features
from jaxbm.table.recognition import OFTEN, RECOGNISED_SHARE, SEVERAL, WORDS

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES = 200
"""A text column's most frequent categories get a feature each, the others none."""
UNCOVERED = 0.1
"""Where categories without a feature fill this share of the cells, statistics of the target tell about them."""
FAR = 1e9
"""A number that exceeds the median size so many times is no measurement: it would make all others equal."""
_TOO_FAR = 1e6
"""Deviations from the training rows at which a number at prediction is cut off."""


def learn(
    column: Column, values: pd.Series, numbers: str = "standard", count: int = 16, outcomes: Sequence[str] = ()
) -> Column:
    """Fill in the statistics of a column that `recognise` made, from the same training rows.

    Args:
      column: of which only the kind is known.
      values: its training rows.
      numbers: how a number is encoded.
      count: of its bins or frequencies.
      outcomes: what target statistics would be about, where a category has no feature of its own.

    Raises:
      ValueError: a number is so far from the others that they would all look the same.
    """
    if column.kind == "category":
        found = cells(values)
        counts = found.counts
        often = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
        if len(found.texts) > MANY:  # a few rows teach nothing about a category
            least = OFTEN if counts.sum() < SEVERAL * len(found.texts) and counts.max() >= OFTEN else 2
            often = often[counts[often] >= least] if counts.max() >= least else often  # kept, though all are rare
        column.categories = sorted(found.texts[i] for i in often)
        own = set(column.categories)
        column.pooled = sorted(text for text in found.texts if text not in own)
        column.others = len(column.pooled)
        covered = counts[[i for i, text in enumerate(found.texts) if text in own]].sum()
        if outcomes and covered <= (1 - UNCOVERED) * counts.sum():
            column.known = sorted(found.texts[i] for i in np.flatnonzero(counts > 1))
            column.outcomes = list(outcomes)
            column.statistics = [[0.0] * len(outcomes)] * (len(column.known) + 1)
        column.indicator = bool((found.codes < 0).any())
        return column
    every = numbers_of(column, values)
    known = every[~np.isnan(every)]
    column.indicator = len(known) < len(every)
    column.fill = float(np.median(known)) if len(known) else 0.0
    check_far(f"column {column.name!r}", known)
    filled = np.where(np.isnan(every), column.fill, every)
    if column.kind in ("date", "time"):
        made = (dates.calendar if column.kind == "date" else dates.clock)(filled)
        if np.ptp(filled) >= 1:  # within a second there is rounding more than time
            varying = [(name, x) for name, x in made.items() if _varies(name, x, made)]
            column.parts = [(name, float(x.mean()), float(x.std())) for name, x in varying]
    elif column.kind == "number":
        learn_encoding(column, known, filled, numbers, count)
        column.note = column.note or _nines(known)
    else:
        column.center, column.scale = center_and_scale(filled)
    return column


def _varies(name: str, feature: np.ndarray, made: dict[str, np.ndarray]) -> bool:
    """Whether a calendar feature says something: a position in the year needs dates that cover a quarter of one."""
    if name.endswith("year") and np.ptp(made["days"]) < 90:
        return False
    return bool(feature.std() > 1e-9 * max(1.0, float(np.abs(feature).max())))


def check_far(name: str, known: np.ndarray) -> None:
    """ValueError where a few numbers, such as 1e30, are so large that the others would all look the same."""
    sizes = np.abs(known[known != 0])
    if not len(sizes):
        return
    largest = float(sizes.max())
    if largest <= min(FAR * float(sizes.min()), 1e30):
        return
    middle = float(np.median(sizes))
    if largest > FAR * middle or largest > 1e30:
        far = sizes > max(FAR * middle, 0.0) if largest > FAR * middle else sizes > 1e30
        value = float(known[np.abs(known) == largest][0])
        if middle > 1e30:
            raise ValueError(
                f"{name}: expected numbers of at most 1e30, the middle one has size {middle:g}; use a larger unit"
            )
        raise ValueError(
            f"{name}: {_hold(int(far.sum()), 'cell')} numbers such as {value:g}, where the size of the middle one is "
            f"{middle:g}; if they stand for missing values, name them: --missing {value:g} (missing=[...]), else "
            "drop the column"
        )


def _nines(known: np.ndarray) -> str:
    """A remark on a value such as -999 that is far from the rest and repeats; empty if there is none."""
    if len(known) < 10:
        return ""
    for value in (float(known.min()), float(known.max())):
        digits = f"{abs(value):.0f}"
        if not (abs(value) == np.floor(abs(value)) and len(digits) > 1 and set(digits) == {"9"}):
            continue
        rest = known[known != value]
        if not 0 < len(rest) < len(known) - 2:
            continue
        if np.abs(rest - value).min() > 2 * max(float(np.ptp(rest)), 1e-12):
            return (
                f"{_hold(len(known) - len(rest), 'cell')} {value:g}, the rest lies in {rest.min():g} to "
                f"{rest.max():g}; if it means missing: --missing {value:g}"
            )
    return ""


def numbers_of(column: Column, values: pd.Series) -> np.ndarray:
    """float64 `[n]`: the cells of a number, boolean, date or time column; NaN for missing and infinite ones.

    Raises:
      ValueError: a cell is not what the column held in training.
    """
    import pandas as pd

    types = pd.api.types
    if types.is_datetime64_any_dtype(values) or isinstance(values.dtype, pd.PeriodDtype):
        if column.kind != "date":
            raise ValueError(f"column {column.name!r}: expected {column.kind}s as in training, got dates")
        return dates.from_moments(values)
    if types.is_timedelta64_dtype(values):
        return values.dt.total_seconds().to_numpy(np.float64)
    if types.is_numeric_dtype(values):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
        return _of_typed_dates(column, numbers) if column.kind in ("date", "time") else numbers
    found = cells(values)
    numbers = _parsed(column, found.texts)
    known = [_is_mark(column, text) for text in found.texts]
    strange = np.flatnonzero(np.isnan(numbers) & ~np.asarray(known, bool))
    if len(strange):
        _tell_strange(column, values, found, strange)
    numbers = found.spread(numbers, np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _tell_strange(column: Column, values: pd.Series, found: Cells, strange: np.ndarray) -> None:
    """A few cells that don't parse are taken as missing, with a warning, as in training; many are an error."""
    at = np.flatnonzero(np.isin(found.codes, strange))
    kind = {"number": "numbers", "boolean": "booleans", "date": "dates", "time": "times of day"}[column.kind]
    if column.kind == "date" and any("%" in format_ for format_ in column.formats):
        kind += f" spelled {' or '.join(column.formats)}"
    text, row = found.texts[found.codes[at[0]]], values.index[at[0]]
    told = f"column {column.name!r}: expected {kind}, got {text!r} in row {row}"
    if len(at) > (1 - RECOGNISED_SHARE) * len(found.codes):
        raise ValueError(told + (f" and others in {len(at) - 1} more rows" if len(at) > 1 else ""))
    warnings.warn(f"{told}; {len(at)} such cells taken as missing", stacklevel=5)


def _of_typed_dates(column: Column, numbers: np.ndarray) -> np.ndarray:
    if np.isnan(numbers).all():
        return numbers
    if column.kind == "time" or not any(f == "%Y%m%d" or f.startswith("epoch") for f in column.formats):
        first = numbers[~np.isnan(numbers)][0]
        raise ValueError(f"column {column.name!r}: expected {column.kind}s as in training, got the number {first:g}")
    return dates.from_numbers(numbers, column.formats[0])


def _parsed(column: Column, texts: list[str]) -> np.ndarray:
    """float64, one for each text; infinite where a number is, NaN where the text isn't what the column holds."""
    if column.kind == "boolean":
        words = WORDS | {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0}
        return np.asarray([words.get(text.lower(), np.nan) for text in texts], np.float64)
    if column.kind == "time":
        return dates.parse_times(texts)
    if column.kind == "date":
        if not column.formats:  # training had dates themselves, no spellings
            return dates.parse(texts, _formats_of(column, texts))
        if column.formats[0].startswith("epoch"):
            return dates.from_numbers(numerals.parse(texts, column.decimal), column.formats[0])
        found = dates.parse(texts, column.formats)
        others = [i for i in np.flatnonzero(np.isnan(found)).tolist() if not _is_mark(column, texts[i])]
        found[others] = dates.year_first([texts[i] for i in others])
        return found
    decimal = numerals.decimal_of((t for t in texts if not _is_mark(column, t)), column.decimal)
    numbers = numerals.parse(texts, decimal)
    if decimal != column.decimal and not np.isnan(numbers).all():
        warnings.warn(
            f"column {column.name!r}: numbers with the decimal mark {decimal!r}, which was {column.decimal!r} in "
            "training; read as they are spelled",
            stacklevel=6,
        )
    if column.formats == [dates.DURATION]:
        numbers = np.where(np.isnan(numbers), dates.parse_durations(texts), numbers)
    return numbers


def _formats_of(column: Column, texts: list[str]) -> list[str]:
    formats, ambiguous = dates.formats_of([text for text in texts if not _is_mark(column, text)])
    if ambiguous:
        warnings.warn(
            f"column {column.name!r}: day and month may be the other way round; read as {formats[0]}", stacklevel=7
        )
    return formats


def _is_mark(column: Column, text: str) -> bool:
    """Whether it stands for a missing value."""
    return numerals.is_mark(text) or text in column.marks


def encode(column: Column, values: pd.Series, out: np.ndarray) -> None:
    """Write the column's features into `out`, float32 `[n, len(column.feature_names)]`.

    A category not seen in training becomes all zeros, with one warning; a number far beyond those of training is cut
    off, with one warning.

    Raises:
      ValueError: as for `numbers_of`.
    """
    if column.kind == "category":
        _one_hot(column, values, out)
        return
    numbers = numbers_of(column, values)
    missing = np.isnan(numbers)
    filled = np.where(missing, column.fill, numbers)
    if column.kind in ("date", "time"):
        made = (dates.calendar if column.kind == "date" else dates.clock)(filled)
        for i, (name, center, scale) in enumerate(column.parts):
            out[:, i] = (made[name] - center) / scale
    else:
        out[:, : out.shape[1] - column.indicator] = number_features(column, _in_range(column, filled, values))
    if column.indicator:
        out[:, -1] = missing


def _hold(number: int, noun: str) -> str:
    return f"{counted(number, noun)} {'holds' if number == 1 else 'hold'}"


def _in_range(column: Column, filled: np.ndarray, values: pd.Series) -> np.ndarray:
    """The numbers, cut off far beyond those of training, with a warning."""
    low, high = column.center - _TOO_FAR * column.scale, column.center + _TOO_FAR * column.scale
    if not len(filled) or (filled.min() >= low and filled.max() <= high):
        return filled
    far = (filled < low) | (filled > high)
    i = int(np.argmax(far))
    warnings.warn(
        f"column {column.name!r}: {_hold(int(far.sum()), 'row')} numbers such as {filled[i]:g} (row "
        f"{values.index[i]}), more than {_TOO_FAR:.0e} deviations from the training rows; cut off there. "
        "Where it stands for a missing value, leave the cell empty",
        stacklevel=5,
    )
    return np.clip(filled, low, high)


def _one_hot(column: Column, values: pd.Series, out: np.ndarray) -> None:
    found = cells(values)
    places = places_of(column.categories, found.texts)
    place = found.spread(places, -2)
    out[:] = 0
    rows = np.flatnonzero(place >= 0)
    out[rows, place[rows]] = 1
    if column.outcomes:
        table = np.asarray([*column.statistics, [0.0] * len(column.outcomes)])  # the last of empty cells
        out[:, column.statistic_places] = table[row_groups(column, values)]
    if column.indicator:
        out[:, -1] = place == -2
    if column.others and not column.pooled:
        return  # saved before they were kept by name
    seen = zip(found.texts, places.tolist(), found.counts.tolist(), strict=True)
    others = {text: count for text, p, count in seen if p == -1 and count}
    strange = [text for text, p in zip(others, places_of(column.pooled, list(others)), strict=True) if p < 0]
    if strange:
        shown = ", ".join(sorted(strange)[:5])
        warnings.warn(
            f"column {column.name!r}: {_hold(sum(others[text] for text in strange), 'row')} categories that training "
            f"did not see ({shown}); encoded as " + ("the rare ones" if column.pooled else "none of the known ones"),
            stacklevel=4,
        )


def row_groups(column: Column, values: pd.Series) -> np.ndarray:
    """int `[n]`: each row's place among the categories that have statistics; one more for the rest, -1 for an empty
    cell."""
    found = cells(values)
    places = places_of(column.known, found.texts)
    return found.spread(np.where(places < 0, len(column.known), places), -1)


def places_of(categories: list[str], texts: list[str]) -> np.ndarray:
    """int `[texts]`: each text's place among the categories, -1 for none.

    A file in which a column of codes holds digits alone may have been read as numbers: where a text is no category,
    but one category is the same number or the same truth value, that one is meant.
    """
    known = {category: i for i, category in enumerate(categories)}
    alike: dict[object, list[int]] = {}
    for category, i in known.items():
        alike.setdefault(_meant(category), []).append(i)
    result = []
    for text in texts:
        same = [known[text]] if text in known else alike.get(_meant(text), [])
        result.append(same[0] if len(same) == 1 else -1)
    return np.asarray(result, np.int64).reshape(-1)


def _meant(text: str) -> object:
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        return float(text)
    except ValueError:
        return text
