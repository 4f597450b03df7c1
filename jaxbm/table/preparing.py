"""Learn from training rows how a table becomes arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core import checks
from jaxbm.core.extras import needs
from jaxbm.losses import OUTPUTS, known
from jaxbm.table.category_statistics import Target, check_categories, learn_statistics
from jaxbm.table.columns import USED, Column
from jaxbm.table.encoding import check_far, learn
from jaxbm.table.frames import check_names, named, several, text_of, without
from jaxbm.table.number_encodings import BINS, FREQUENCIES, center_and_scale, check_encoding
from jaxbm.table.numerals import decimal_of
from jaxbm.table.preparation import Preparation
from jaxbm.table.recognition import recognise
from jaxbm.table.splitting import split_summary
from jaxbm.table.target import check_range, classes_of, is_quantity, labelled, numbered, quantity, task_of
from jaxbm.table.telling import column_steps, label_steps, target_steps

if TYPE_CHECKING:
    import pandas as pd


@needs("jaxbm.table")
def prepare(
    frame: pd.DataFrame,
    target: str,
    *,
    task: str | None = None,
    fit_rows: int | None = None,
    steps: list[str] | None = None,
    types: Mapping[str, str] | None = None,
    keep: Iterable[str] = (),
    drop: Iterable[str] = (),
    missing: Iterable[Any] = (),
    group: str | None = None,
    numbers: str | Mapping[str, str] = "standard",
    bins: int = BINS,
    frequencies: int = FREQUENCIES,
    categories: str = "one-hot",
    loss: Any = None,
) -> Preparation:
    """Learn from training rows how the table becomes arrays.

    Every column is recognised by its cells: numbers (also spelled with thousands separators, percent or currency
    signs, among marks for missing such as `?`), booleans, dates and times of day (they become calendar features),
    categories. Constant and empty columns, identifiers and free text are left out. `Preparation.summary` tells all.

    Args:
      frame: training rows.
      target: the column to predict.
      task: as for `task_of`.
      fit_rows: statistics come from that many rows from the start, None for all; the rest, such as validation
        rows, only have to agree in their columns.
      steps: what was done to the table before, as `split_summary` tells it; kept and told with the rest.
      types: `{column: kind}`, where a kind is wrong: "number", "boolean", "category", "date", "time", or "dropped".
      keep: columns to keep as features though they look like identifiers or free text.
      drop: columns that are no features.
      missing: values that stand for missing cells in every column, the target included.
      group: a column that names each row's group, no feature; it will be read as text.
      numbers: how numbers become features, for all or as `{column: encoding}`: "standard" (by mean and deviation),
        "robust" (by median and interquartile range, clipped smoothly), "piecewise" (standard, and a feature for each
        of the `bins` between quantiles), "fourier" (robust, and cosines of random `frequencies`).
      bins: of "piecewise".
      frequencies: of "fourier".
      categories: "one-hot": a feature for each of the `MAX_CATEGORIES` most frequent ones, none for rare ones, which
        are encoded alike; or "target": beside it, where a column has such rare ones, smoothed statistics of the
        target for all categories. Those of `features` know the training rows' own labels, so train on
        `training_features` then, as `jaxbm.tabular.fit` does by fold.
      loss: that will be trained, by name or of `jaxbm.losses`; None for one that takes the target itself. A loss of
        counts or amounts divides the target by its mean, which takes nothing from a deviance; of its outputs,
        `Preparation.predicted` makes the target's own units.

    Raises:
      ValueError: as for `task_of`; a label is out of the loss's range; a cell doesn't fit the type that was asked
        for; an encoding is unknown or asked for a column that isn't a number; no row or no column is left.

    Example:
      >>> from jaxbm import table
      >>> frame, target = table.demo("iris")
      >>> preparation = table.prepare(frame, target)
      >>> preparation.task, preparation.features(frame).shape
      ('multiclass', (150, 4))
    """
    if not (types is None or isinstance(types, Mapping)):
        raise TypeError(f"types: expected {{column: kind}}, got {checks.told(types)}")
    if not (steps is None or (isinstance(steps, list | tuple) and all(isinstance(step, str) for step in steps))):
        raise TypeError(f"steps: expected lines of text, got {checks.told(steps)}")
    types = {text_of(name): kind for name, kind in (types or {}).items()}
    keep, drop = ({text_of(n) for n in several(*pair)} for pair in (("keep", keep), ("drop", drop)))
    target, group = text_of(target), text_of(group)
    missing = [str(value) for value in several("missing", missing)]
    frame = without(named(frame), missing)
    for kind, names in (("types", types), ("keep", keep), ("drop", drop), ("group", [group] if group else [])):
        check_names(kind, names, frame)
    if target in drop or target == group:
        raise ValueError(f"target {target!r}: expected a column that is neither dropped nor the group")
    check_categories(categories)
    fit_rows = None if fit_rows is None else checks.positive_int("fit_rows", fit_rows)
    encodings = _encodings(numbers, frame, {"piecewise": bins, "fourier": frequencies})
    task = task_of(frame, target, task)
    rows = labelled(frame, target, task)
    result = Preparation(target, task, [], missing=missing, text=[group] if group else [], loss=_noted(loss))
    result.steps += split_summary(frame, target, {}, task=task) if steps is None else steps
    fitted = rows if fit_rows is None else rows.iloc[:fit_rows]
    decimal = frame.attrs.get("decimal", ".")
    result.steps += target_steps(frame, target, task)
    _learn_target(result, rows[target], fitted[target], decimal)
    result.steps += [] if result.loss is None else [f"outputs are {OUTPUTS[result.meaning]}, as {result.loss} has it"]
    outcomes = _outcomes(result) if categories == "target" else []
    for name in fitted.columns:
        if name not in (target, group):
            wanted = "dropped" if name in drop else types.get(name)
            column = recognise(name, fitted[name], wanted, keep=name in keep, decimal=decimal)
            _add(result, column, fitted[name], *encodings(column), outcomes)
    if not result.columns:
        told = "; ".join(f"{column.name}: {column.kind}, {column.why}" for column in result.dropped[:5])
        raise ValueError(
            f"table: expected at least one column that varies, apart from the target; none is left ({told})"
        )
    if any(column.outcomes for column in result.columns):
        learn_statistics(result, fitted, Target.of(result, result.labels(fitted)))
    result.steps += column_steps(result, fitted)
    return result


def _outcomes(result: Preparation) -> list[str]:
    """What statistics of the target are about, in words."""
    if result.task == "regression":
        return [f"mean of {result.target}"]
    return [f"share of {name}" for name in (result.classes if result.task == "multiclass" else result.classes[1:])]


def _encodings(
    numbers: str | Mapping[str, str], frame: pd.DataFrame, counts: Mapping[str, int]
) -> Callable[[Column], tuple[str, int]]:
    """Column -> its encoding, and how many bins or frequencies it has."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 2:
            argument = "bins" if name == "piecewise" else "frequencies"
            raise ValueError(f"{argument}: expected an integer of at least 2, got {count!r}")
    if not isinstance(numbers, str | Mapping):
        raise TypeError(f"numbers: expected an encoding or {{column: encoding}}, got {checks.told(numbers)}")
    single = numbers if isinstance(numbers, str) else None
    by_column: Mapping[str, str] = {} if isinstance(numbers, str) else numbers
    for encoding in (*by_column.values(), *([single] if single else [])):
        check_encoding(encoding)
    check_names("numbers", by_column, frame)

    def encoding_of(column: Column) -> tuple[str, int]:
        if column.name in by_column and column.kind != "number":
            raise ValueError(
                f"numbers: expected a number column for encoding {by_column[column.name]!r}, got {column.name!r}, "
                f"which is {column.kind}: {column.why}"
            )
        encoding = single or by_column.get(column.name, "standard")
        return encoding, counts.get(encoding, 0)

    return encoding_of


def _add(
    result: Preparation, column: Column, values: pd.Series, encoding: str, count: int, outcomes: list[str]
) -> None:
    if column.kind not in USED:
        result.dropped.append(column)
        return
    learn(column, values, encoding, count, outcomes)
    if column.feature_names:
        result.columns.append(column)
    else:  # a time that is always the same
        column.kind, column.why = "constant", f"{column.why}, all alike to the second"
        result.dropped.append(column)


def _noted(loss: Any) -> str | None:
    """The name of a loss whose labels or outputs are others than those of the task's usual losses."""
    found = known(loss)
    if found is None or (found.entry.outputs == "scores" and found.labels != "count"):
        return None
    return found.__name__


def _learn_target(result: Preparation, labels: pd.Series, fitted: pd.Series, decimal: str) -> None:
    if result.task == "regression":
        if not is_quantity(labels):
            result.target_decimal = decimal_of(labels.dropna().astype(str), decimal)
        numbers = quantity(fitted, result.target_decimal)
        check_far(f"target {result.target!r}", numbers)
        if result.known_loss is not None and result.known_loss.labels in ("count", "amount"):
            _learn_positive(result, fitted, numbers)
            return
        result.target_center, result.target_scale = center_and_scale(numbers)
        result.steps.append(
            f"scaled the target by mean {result.target_center:.4g}, deviation {result.target_scale:.4g}"
        )
        return
    classes = classes_of(labels)
    result.classes = list(classes)
    result.steps += label_steps(classes, np.bincount(numbered(labels, classes), minlength=len(classes)))


def _learn_positive(result: Preparation, fitted: pd.Series, numbers: np.ndarray) -> None:
    """Of counts and amounts nothing is taken away, or they would be none. Divided by their mean they begin where the
    logarithm of the mean is 0, and a deviance only changes by a factor; a likelihood of counts wants counts."""
    loss = result.known_loss
    assert loss is not None
    check_range(result.target, fitted, numbers, loss)
    if result.meaning != "log mean":
        result.steps.append("left the target as it is: counts")
        return
    result.target_scale = float(numbers.mean()) or 1.0
    result.steps.append(f"divided the target by its mean {result.target_scale:.4g}")
