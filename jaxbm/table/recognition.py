"""What a column is taken for, and why: numbers, booleans, dates, categories, identifiers, free text and so on."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.names import unknown
from jaxbm.core.words import counted, some
from jaxbm.table import dates, numerals
from jaxbm.table.cells import Cells, cells
from jaxbm.table.columns import LEFT_OUT, USED, Column
from jaxbm.table.identifiers import IDENTIFIER_SHARE, MANY, identifying, told_apart

if TYPE_CHECKING:
    import pandas as pd

SEVERAL, OFTEN = 4, 10
"""Where texts stand in fewer than `SEVERAL` rows on average, only those in at least `OFTEN` rows say something."""
RECOGNISED_SHARE = 0.95
"""Numbers, dates and booleans are recognised where this share of the cells that aren't marks for missing parse."""
WORDS = {
    "true": 1.0,
    "yes": 1.0,
    "y": 1.0,
    "t": 1.0,
    "on": 1.0,
    "false": 0.0,
    "no": 0.0,
    "n": 0.0,
    "f": 0.0,
    "off": 0.0,
}
_PAIRS = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"}, {"on", "off"})


def recognise(
    name: str, values: pd.Series, wanted: str | None = None, *, keep: bool = False, decimal: str = "."
) -> Column:
    """The column's kind and how its cells are read; nothing else is learned yet.

    Args:
      values: the training rows.
      wanted: the kind that somebody named; cells that don't fit it are an error.
      keep: identifiers and free text become numbers or categories.
      decimal: the decimal mark where the numbers' spellings leave it open.

    Raises:
      ValueError: `wanted` is no kind, or the cells don't fit it.
    """
    if wanted is not None and wanted not in (*USED, *LEFT_OUT):
        raise unknown(f"type of column {name!r}", wanted, (*USED, *LEFT_OUT))
    if wanted in LEFT_OUT:
        return Column(name, wanted, why="as asked", missing=float(values.isna().mean()))
    name = str(name)
    column = _typed(name, values, wanted, decimal)
    if column is None:
        column = _spelled(name, cells(values), len(values), wanted, decimal, _is_categorical(values))
    if wanted is not None and column.kind != wanted and column.kind != "empty":
        raise ValueError(f"column {name!r}: expected {_plural(wanted)} as asked, got {column.kind}: {column.why}")
    if keep and column.kind in ("identifier", "text", "constant"):
        column = _kept(column, values, decimal)
    return column


def _kept(column: Column, values: pd.Series, decimal: str) -> Column:
    """As numbers where they are numbers, else as categories."""
    if column.kind == "constant":
        column.kind = "number" if _numeric(values) else "category"
        return column
    try:
        return recognise(column.name, values, "number", decimal=decimal)
    except ValueError:
        return recognise(column.name, values, "category")


def _plural(kind: str) -> str:
    return {"category": "categories", "text": "text"}.get(kind, kind + "s")


def _is_categorical(values: pd.Series) -> bool:
    import pandas as pd

    return isinstance(values.dtype, pd.CategoricalDtype)


def _numeric(values: pd.Series) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _typed(name: str, values: pd.Series, wanted: str | None, decimal: str) -> Column | None:
    """What the column's own type says; None for text and other objects."""
    import pandas as pd

    types = pd.api.types
    gaps = float(values.isna().mean())
    if gaps == 1:
        return Column(name, "empty", why="no cell is filled", missing=1.0)
    if wanted == "category":
        return None
    if types.is_datetime64_any_dtype(values) or isinstance(values.dtype, pd.PeriodDtype):
        return _or_constant(Column(name, "date", why="a column of dates", missing=gaps), values)
    if types.is_timedelta64_dtype(values):
        found = Column(name, "number", why="durations, in seconds", missing=gaps, formats=[dates.DURATION])
        return _or_constant(found, values)
    if types.is_complex_dtype(values):
        raise ValueError(f"column {name!r}: expected numbers, text, booleans or dates, got complex numbers")
    if types.is_bool_dtype(values):
        if wanted == "number":
            return Column(name, "number", why="true and false as 1 and 0", missing=gaps)
        return _or_constant(Column(name, "boolean", why="true and false", missing=gaps), values)
    if not types.is_numeric_dtype(values):
        return None
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    infinite = int(np.isinf(numbers).sum())
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return Column(name, "empty", why="no cell holds a finite number", missing=1.0)
    column = Column(name, "number", why="every cell is a number", decimal=decimal)
    column.missing = 1 - len(numbers) / len(values)
    if gaps or infinite:
        told = f"; {counted(infinite, 'infinite one')} taken as missing" if infinite else ""
        column.why = "every filled cell is a number" + told
    _of_numbers(column, numbers, wanted, gaps=len(numbers) < len(values))
    return told_apart(column, int(values.nunique()), numbers[0]) if column.kind == "constant" else column


def _or_constant(column: Column, values: pd.Series) -> Column:
    if not column.missing and values.nunique() == 1:
        return _constant(column, values.iloc[0])
    return column


def _constant(column: Column, value: Any) -> Column:
    column.kind, column.why = "constant", f"every row holds {_shown(value)}"
    return column


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_numbers(column: Column, numbers: np.ndarray, wanted: str | None, *, gaps: bool) -> Column:
    """A column of finite numbers: what they stand for."""
    low, high = float(numbers.min()), float(numbers.max())
    if low == high and not gaps and wanted is None:
        return _constant(column, low)
    if wanted == "number":
        return column
    if wanted == "boolean" and not set(np.unique(numbers)) <= {0.0, 1.0}:
        raise ValueError(f"column {column.name!r}: expected 0 and 1 for booleans, got {low:g} to {high:g}")
    if wanted in ("boolean", "time"):
        column.kind = wanted if wanted == "boolean" else column.kind
        return column
    format_ = dates.numeric_format(numbers)
    if format_ is not None:
        column.kind, column.formats = "date", [format_]
        spelled = "year, month, day" if format_ == "%Y%m%d" else f"{format_.split()[1]} since 1970"
        column.why = f"numbers that are dates: {spelled}"
        return column
    if wanted is None and (why := identifying(column.name, numbers)):
        column.kind, column.why = "identifier", why
    return column


def _spelled(name: str, found: Cells, rows: int, wanted: str | None, decimal: str, categorical: bool) -> Column:
    """What the spellings of a column of text say."""
    filled = int(found.counts.sum())
    if not filled:
        return Column(name, "empty", why="no cell is filled", missing=1.0)
    column = Column(name, "category", missing=1 - filled / rows, decimal=decimal)
    if len(found.texts) == 1 and filled == rows and wanted is None:
        return _constant(column, found.texts[0])
    counts = dict(zip(found.texts, found.counts.tolist(), strict=True))
    values = {text: count for text, count in counts.items() if not numerals.is_mark(text)}
    if wanted != "category" and values and (wanted or not categorical):
        for recognised in (_booleans, _numerals, _dates, _times, _durations):
            if recognised(column, values, wanted):
                marks = {text: count for text, count in counts.items() if text not in values or text in column.marks}
                column.missing = 1 - (filled - sum(marks.values())) / rows
                if marks:
                    column.why += f"; taken as missing: {told_counts(marks)}"
                return column
    return _words(column, counts, wanted)


def told_counts(counts: dict[str, int], most: int = 5) -> str:
    """Spellings with their counts, the most frequent first, in words."""
    return some([f"{_shown(text)} ({count})" for text, count in Counter(counts).most_common()], most)


def _booleans(column: Column, values: dict[str, int], wanted: str | None) -> bool:
    known = {text.lower() for text in values}
    good = known <= set(WORDS) | {"0", "1"} if wanted == "boolean" else any(known <= pair for pair in _PAIRS)
    if good:
        column.kind, column.why = "boolean", "every filled cell is " + " or ".join(sorted(map(repr, values)))
    return good


def _enough(values: dict[str, int], parsed: np.ndarray, wanted: bool) -> tuple[bool, dict[str, int]]:
    """Whether so many of the cells parse that the rest, which is returned too, can be taken as missing."""
    rest = {text: count for (text, count), number in zip(values.items(), parsed, strict=True) if np.isnan(number)}
    share = 1 - sum(rest.values()) / sum(values.values())
    few = len(rest) <= 3 and len(values) - len(rest) > MANY and share >= 0.5  # "ERR" in a third of the cells
    return share > 0 if wanted else bool(share >= RECOGNISED_SHARE or few), rest


def _numerals(column: Column, values: dict[str, int], wanted: str | None) -> bool:
    texts = list(values)
    if wanted not in (None, "number", "date"):
        return False
    if wanted is None and numerals.has_leading_zeros(texts):
        return False
    decimal = numerals.decimal_of(texts, column.decimal)
    parsed = numerals.parse(texts, decimal)
    enough, rest = _enough(values, parsed, wanted == "number")
    if wanted == "number" and (not enough or len(rest) > max(5, len(values) // 2)):
        raise ValueError(f"column {column.name!r}: expected numbers as asked, got {told_counts(rest)}")
    if not enough:
        share = 1 - sum(rest.values()) / sum(values.values())
        if share >= 0.5 and len(values) > MANY and wanted is None:
            column.note = (
                f"{share:.0%} of the cells are numbers, the rest isn't: {told_counts(rest)}; if that means missing, "
                "name it with --missing, or name the type"
            )
        return False
    column.kind, column.decimal, column.marks = "number", decimal, list(rest)
    dressed = [t for t in texts[:1000] if re.search(r"[^\d.+\-eE]", t) and t not in rest]
    column.why = "numbers spelled as text" + (f", such as {_shown(dressed[0])}" if dressed else "")
    if len(units := numerals.units(text for text in texts if text not in rest)) > 1:
        column.note = f"its cells are in several units, {', '.join(units)}; taken for numbers of one"
    finite = np.isfinite(parsed)
    if finite.any():
        every = np.repeat(parsed[finite], np.asarray(list(values.values()))[finite])
        _of_numbers(column, every, wanted, gaps=bool(rest) or column.missing > 0)
        if column.kind == "constant":
            told_apart(column, len(texts), every[0])
    return True


def _dates(column: Column, values: dict[str, int], wanted: str | None) -> bool:
    if wanted not in (None, "date"):
        return False
    texts = list(values)
    formats, ambiguous = dates.formats_of(texts)
    if not formats:
        return False
    enough, rest = _enough(values, dates.parse(texts, formats), wanted == "date")
    if not enough:
        return False
    column.kind, column.formats, column.marks = "date", formats, list(rest)
    column.why = "dates spelled " + ", ".join(formats)
    if ambiguous:
        column.note = f"day and month may be the other way round; read as {formats[0]}"
    return True


def _times(column: Column, values: dict[str, int], wanted: str | None) -> bool:
    if wanted not in (None, "time"):
        return False
    enough, rest = _enough(values, dates.parse_times(list(values)), wanted == "time")
    if enough:
        column.kind, column.marks, column.why = "time", list(rest), "times of day"
    return enough


def _durations(column: Column, values: dict[str, int], wanted: str | None) -> bool:
    if wanted not in (None, "number"):
        return False
    enough, rest = _enough(values, dates.parse_durations(list(values)), wanted == "number")
    if enough:
        column.kind, column.marks, column.formats = "number", list(rest), [dates.DURATION]
        column.why = "durations, in seconds"
    return enough


def _words(column: Column, counts: dict[str, int], wanted: str | None) -> Column:
    """Categories, or what differs in nearly every row."""
    filled, different = sum(counts.values()), len(counts)
    column.why = f"{different} different texts" if different > 1 else "one text, and empty cells"
    marks = {text: count for text, count in counts.items() if numerals.is_mark(text)}
    if marks:
        column.why += f"; a category of its own: {told_counts(marks)}"
    if wanted is not None or different <= MANY:
        return column
    often = sum(count >= OFTEN for count in counts.values())
    words = np.mean([len(text.split()) for text in list(counts)[:1000]])
    nearly_all = different > IDENTIFIER_SHARE * filled
    if (nearly_all and words >= 2.5) or (words >= 5 and different > filled / 2):
        column.kind, column.why = "text", f"{different} different texts in {filled} cells, {words:.0f} words each"
    elif nearly_all:
        column.kind, column.why = "identifier", f"{different} different texts in {filled} cells"
    elif different > filled / SEVERAL and not often:
        column.kind = "identifier"
        column.why = f"{different} different texts in {filled} cells, none of them in {OFTEN} or more"
    return column
