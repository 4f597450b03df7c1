"""What was made of a table, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.words import counted, some
from jaxbm.table.advice import leaks
from jaxbm.table.columns import LEFT_OUT, USED, Column
from jaxbm.table.target import column_of, is_quantity, quantity

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table.preparation import Preparation

FEW_ROWS = 10
"""A class with fewer rows can hardly be learned, and not be measured."""
_NAMES_SHOWN = 12
_STANDARD = "standardised the numbers by mean and deviation of the training rows"
_ENCODED = {
    "standard": _STANDARD,
    "robust": "scaled numbers by median and interquartile range of the training rows, clipped smoothly",
    "piecewise": f"{_STANDARD}, with a feature for each bin between their quantiles",
    "fourier": "scaled numbers by median and interquartile range of the training rows, with cosines of them",
}


def target_steps(frame: pd.DataFrame, target: str, task: str) -> list[str]:
    """The task, and why it is that one where the target's own type doesn't say it."""
    column = column_of(frame, target)
    if task == "regression" and not is_quantity(column):
        numbers = quantity(column)
        return [f"task: regression, since the target's cells are numbers, {np.isfinite(numbers).mean():.0%} of them"]
    return [f"task: {task}"]


def label_steps(classes: dict[Any, int], counts: np.ndarray) -> list[str]:
    """The classes with their counts, and warnings of those with hardly any rows or spelled alike."""
    shown = [f"{name} ({counts[i]})" for name, i in classes.items()]
    positive = f"; F1, precision and recall are those of {list(classes)[1]}" if len(classes) == 2 else ""
    steps = [f"classes: {some(shown, 30)}{positive}"]
    rare = [f"{name} ({counts[i]})" for name, i in classes.items() if counts[i] < FEW_ROWS]
    if rare:
        which = "a class" if len(rare) == 1 else "some classes"
        steps.append(f"warning: fewer than {FEW_ROWS} rows of {which}: {some(rare, 10)}")
    return steps + _alike(classes)


def _alike(classes: dict[Any, int]) -> list[str]:
    """A warning of classes that are spelled alike: most often one that was typed in several ways."""
    spelled: dict[str, list[str]] = {}
    for name in classes:
        if isinstance(name, str):
            spelled.setdefault(" ".join(name.casefold().split()), []).append(name)
    alike = [" and ".join(map(repr, names)) for names in spelled.values() if len(names) > 1]
    told = "warning: classes that differ in case or blanks only; if they are one, spell them alike: "
    return [told + some(alike, 5)] if alike else []


def column_steps(result: Preparation, rows: pd.DataFrame) -> list[str]:
    """What was made of the columns, in counts, then a line for all columns of which the same is true."""
    steps = []
    for kind, told in LEFT_OUT.items():
        names = [column.name for column in result.dropped if column.kind == kind]
        if names:
            help_ = "; keep one with --keep (keep=[...])" if kind in ("identifier", "text") else ""
            steps.append(f"dropped {told}: {_listed(names)}{help_}")
    counts = {kind: sum(column.kind == kind for column in result.columns) for kind in USED}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    steps.append(f"features: {len(result.feature_names)} from columns: {told}")
    infinite = _infinite(result, rows)
    if infinite:
        told = ", ".join(f"{name} ({count})" for name, count in infinite.items())
        steps.append(f"took {counted(sum(infinite.values()), 'infinite value')} as missing: {told}")
    gaps = {c.name: round(c.missing * len(rows)) - infinite.get(c.name, 0) for c in result.columns}
    gaps = {name: count for name, count in gaps.items() if count > 0}
    if gaps:
        told = ", ".join(f"{name} ({count})" for name, count in gaps.items())
        steps.append(f"filled missing values by the median or no category, with an indicator: {told}")
    used = {column.encoding for column in result.columns if column.kind == "number"}
    steps += [told for encoding, told in _ENCODED.items() if encoding in used]
    rare = [column.name for column in result.columns if column.outcomes]
    if rare:
        steps.append(
            "described categories by smoothed statistics of the target, too, where many rows hold rare ones; a row's "
            f"never know its own label: {_listed(rare)}"
        )
    steps += ["columns:", *(f"  {line}" for line in _lines([*result.columns, *result.dropped]))]
    steps += [f"note: {c.name}: {c.note}" for c in [*result.columns, *result.dropped] if c.note]
    return steps + [f"warning: {told}" for told in leaks(result, rows)]


def _infinite(result: Preparation, rows: pd.DataFrame) -> dict[str, int]:
    import pandas as pd

    found = {}
    for column in result.columns:
        if column.kind == "number" and pd.api.types.is_float_dtype(rows[column.name]):
            count = int(np.isinf(rows[column.name].to_numpy(np.float64, na_value=np.nan)).sum())
            if count:
                found[column.name] = count
    return found


def _lines(columns: list[Column]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for column in columns:
        missing = f", {share(column.missing)} missing" if column.missing > 0 and column.kind != "empty" else ""
        groups.setdefault(f"{column.kind} ({column.why}){missing} -> {column.became}", []).append(column.name)
    return [f"{_listed(names)}: {told}" for told, names in groups.items()]


def share(fraction: float) -> str:
    """A fraction as a percentage that is never rounded to nothing or to all.

    Example:
      >>> from jaxbm.table.telling import share
      >>> share(0.25), share(0.0001), share(0.9999)
      ('25%', '<1%', '>99%')
    """
    if 0 < fraction < 0.01:
        return "<1%"
    return ">99%" if 0.99 < fraction < 1 else f"{fraction:.0%}"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
