"""`Plan`: a table, prepared for training by a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.extras import needs
from jaxbm.core.words import counted
from jaxbm.losses.meaning import MEAN_AND_SPREAD
from jaxbm.studies.folds import Fold
from jaxbm.tabular.folds import member_folds
from jaxbm.tabular.recipes import Recipe, fewer_bins, loss_of, recipe_of, task_of_loss
from jaxbm.tabular.visited import Visited, has_statistics, own_rows, too_large
from jaxbm.tabular.weights import class_weights, row_weights

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table import Preparation

Rows = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What will be trained on what; made by `plan`."""

    recipe: Recipe
    preparation: Preparation
    training: Rows
    """features `[n, in]` and labels `[n]`; with folds, all rows that there are"""
    validation: Rows | None
    folds: list[Fold] | None
    """each member's rows to train on and rows held out"""
    seed: int
    weights: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    """how much each row to train on and to validate on counts, float64 `[n]`; None where all count the same"""
    class_weight: Any = None
    """as for `jaxbm.fit`"""
    own: Visited | None = None
    """where members see the same rows with different features: the table of all of them"""

    @property
    def visited(self) -> Visited:
        """The table that members are trained on, and which of its rows are whose."""
        return Visited(*self.training, self.weights[0], self.folds or []) if self.own is None else self.own

    @property
    def once(self) -> int:
        """How many of the folds, from the first, hold out each row once."""
        held = np.cumsum([len(held) for _, held in self.folds or []])
        return int(np.searchsorted(held, len(self.training[0]))) + 1

    @property
    def weighting(self) -> dict[str, Any]:
        """The options of `jaxbm.fit` that weigh rows."""
        given = {"sample_weight": self.visited.weight, "class_weight": self.class_weight}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def validation_data(self) -> tuple[np.ndarray, ...] | None:
        """As for `jaxbm.fit`."""
        if self.validation is None or self.weights[1] is None:
            return self.validation
        return (*self.validation, self.weights[1])

    @property
    def is_ensemble(self) -> bool:
        """Whether several networks predict, or what is predicted is kept within bounds."""
        return self.recipe.members > 1 or self.folds is not None or self.bounds is not None

    @property
    def task(self) -> str:
        """ "binary", "multiclass" or "regression"."""
        return self.preparation.task

    @property
    def loss(self) -> str:
        """The name of the loss that is trained."""
        return loss_of(self.task, self.recipe.loss)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The least and the greatest label, where predictions are kept between them; of outputs that are logarithms,
        their logarithms."""
        if not self.recipe.clip or self.task != "regression" or self.preparation.meaning in MEAN_AND_SPREAD:
            return None
        low, high = float(self.training[1].min()), float(self.training[1].max())
        if self.preparation.meaning != "log mean":
            return low, high
        least = float(np.finfo(np.float32).tiny)  # a mean of 0 has no logarithm
        return float(np.log(max(low, least))), float(np.log(max(high, least)))


@needs("jaxbm.tabular")
def plan(
    frame: pd.DataFrame,
    target: str,
    preset: str | Recipe,
    *,
    task: str | None = None,
    seed: int = 0,
    test: pd.DataFrame | None = None,
    whole: pd.DataFrame | None = None,
    columns: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    prepare_from: pd.DataFrame | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
) -> Plan:
    """Prepare a table for training.

    Args:
      frame: rows to train on.
      target: the column to predict.
      preset: its name, or a recipe.
      task: as for `jaxbm.table.task_of`.
      seed: of the folds.
      test: rows set apart before, whose number is told.
      whole: the table before any split, about which is told; `frame` by default.
      columns: options of `jaxbm.table.prepare`: types, keep, drop, missing.
      changes: to the recipe.
      prepare_from: other rows to learn the preparation from, such as public ones; None for those to train on.
      sample_weight: a column's name, or `[n]`, see `jaxbm.tabular.fit`.
      class_weight: "balanced" or by class.

    Raises:
      ValueError: the table, the target or the recipe is unusable.
    """
    from jaxbm import table
    from jaxbm.table.category_statistics import Target, learn_statistics
    from jaxbm.table.frames import named, text_of, without
    from jaxbm.table.splitting import is_validation
    from jaxbm.table.target import has_label, labelled

    frame, changes, columns = named(frame), dict(changes or {}), dict(columns or {})
    recipe = recipe_of(preset, changes, len(frame))
    recipe, told_bins = fewer_bins(recipe, changes, frame.shape[1] - 1)
    task, target = task_of_loss(task, recipe.loss), text_of(target)
    frame = without(frame, columns.get("missing", ()))  # a mark in the target is no class
    told_of = frame if whole is None else whole
    frame, weight = row_weights(frame, target, sample_weight)
    rows = labelled(frame, target, task)
    second = np.zeros(len(rows), bool) if recipe.folds else is_validation(rows, recipe.validation_split)
    training, held = (rows, rows[:0]) if recipe.folds else (rows[~second], rows[second])
    parts = {"training": len(training), "validation": len(held), "test": 0 if test is None else len(test)}
    steps = table.split_summary(told_of, target, parts if len(held) or parts["test"] else {}, task=task)
    if isinstance(sample_weight, str):
        steps.append(f"rows count by column {sample_weight!r}, which is no feature")
    steps += told_bins
    by_row: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    if weight is not None:
        weight = weight[has_label(frame, target, task)]
        by_row = weight[~second], weight[second] if len(held) else None
    learned_from, fit_rows = _joined(training, held), len(training)
    if prepare_from is not None:
        learned_from = _others(prepare_from, target, task, columns.get("missing", ()), sample_weight)
        fit_rows = len(learned_from)
        steps.append(f"the preparation was learned from {counted(fit_rows, 'other row')}, not from these:")
    preparation = _prepared(
        recipe, learned_from, len(training), target=target, task=task, fit_rows=fit_rows, steps=steps, **columns
    )
    y = preparation.labels(training)
    _check_varies(preparation, y)
    own_labels = has_statistics(preparation) and prepare_from is None
    if own_labels and by_row[0] is not None:
        learn_statistics(preparation, training, Target.of(preparation, y, by_row[0]))
    if own_labels and not recipe.folds:
        x = preparation.training_features(training, by_row[0], seed=seed)
    else:
        x = preparation.features(training)
    folds = own = None
    if recipe.folds:
        labels, names = None if preparation.task == "regression" else y, [str(name) for name in preparation.classes]
        folds, told = member_folds(
            training, labels, recipe.each, recipe.folds, seed=seed, names=names, strict="folds" in changes
        )
        preparation.steps += told
    validation = (preparation.features(held), preparation.labels(held)) if len(held) else None
    if own_labels and folds:
        own = own_rows(preparation, training, x, y, by_row[0], folds, seed)
    by_class = class_weights(preparation, class_weight)
    return Plan(recipe, preparation, (x, y), validation, folds, seed, by_row, by_class, own)


def _others(
    frame: pd.DataFrame, target: str, task: str | None, missing: Sequence[Any], sample_weight: Any
) -> pd.DataFrame:
    """Labelled rows that only the preparation is learned from; a column of weights is no feature of theirs."""
    from jaxbm.table.frames import named, without
    from jaxbm.table.target import labelled

    frame = without(named(frame), missing)
    if isinstance(sample_weight, str):
        frame = frame.drop(columns=sample_weight, errors="ignore")
    return labelled(frame, target, task)


def _prepared(
    recipe: Recipe, learned_from: pd.DataFrame, rows: int, *, steps: list[str], **columns: Any
) -> Preparation:
    """The recipe's preparation; without statistics of categories where each member's `rows` of them are too many."""
    from jaxbm import table

    def prepared(categories: str) -> Preparation:
        return table.prepare(
            learned_from, numbers=recipe.numbers, bins=recipe.bins, frequencies=recipe.frequencies, loss=recipe.loss,
            categories=categories, steps=list(steps), **columns,
        )  # fmt: skip

    preparation = prepared(recipe.categories)
    if has_statistics(preparation) and too_large(preparation, rows, recipe.each):
        preparation = prepared("one-hot")
        preparation.steps.append("no target statistics of categories: each member's own would take too much memory")
    loss_of(preparation.task, recipe.loss)  # one that doesn't fit is an error now, not after the encoding
    return preparation


def _check_varies(preparation: Preparation, y: np.ndarray) -> None:
    if preparation.task == "regression" and len(y) > 1 and float(np.ptp(y)) == 0.0:
        value = float(preparation.unscale(y[:1])[0])
        raise ValueError(f"target {preparation.target!r}: expected a quantity that varies, got {value:g} in each row")


def _joined(training: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    if held.empty:
        return training
    both = pd.concat([training, held])
    both.attrs = training.attrs
    return both
