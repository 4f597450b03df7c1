"""`fit`: from a table to a fitted model in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jaxbm.core.calls import helpful
from jaxbm.core.settings import on_purpose
from jaxbm.members.progress import Report
from jaxbm.tabular.fitted import Fitted
from jaxbm.tabular.plan import plan
from jaxbm.tabular.recipes import DEFAULT, Recipe
from jaxbm.tabular.training import train

if TYPE_CHECKING:
    import pandas as pd


@on_purpose
@helpful
def fit(
    frame: pd.DataFrame | str | os.PathLike[str],
    target: str,
    *,
    preset: str | Recipe = DEFAULT,
    time: float | None = None,
    task: str | None = None,
    seed: int = 0,
    types: Mapping[str, str] | None = None,
    keep: Iterable[str] = (),
    drop: Iterable[str] = (),
    missing: Iterable[Any] = (),
    prepare_from: pd.DataFrame | str | os.PathLike[str] | None = None,
    sample_weight: Any = None,
    class_weight: str | Mapping[Any, float] | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | Report = False,
    **changes: Any,
) -> Fitted:
    """Learn a table: read, recognise, clean, encode, train, judge by rows that a member did not see.

    - `preset="accurate"`: 16 networks, each validated on another of 8 folds, with early stopping, dropout and numbers
      encoded piecewise linearly. All rows are trained on, and each is judged by the members that did not see it.
    - `preset="classic"`: one network 64-32, Adam with rate 1e-3, batches of 32, ten epochs, the last 20% of the rows
      for validation.
    - `preset="best"`: for `time` seconds, networks of one to three layers, of many widths, rates, decays and dropouts
      are trained on 8 folds; the ensemble is chosen greedily by what they predict out of fold.

    Args:
      frame: a table of pandas, Polars or PyArrow, or a file as `jaxbm.table.read` takes it.
      target: the column to predict.
      preset: "accurate", "best" or "classic", or a `Recipe`.
      time: seconds for "best", 60 by default; training stops with the round that is expected to end before. None for
        the other presets. The first round, the smallest ensemble, is always trained.
      task: "binary", "multiclass", "classification" or "regression"; found from the target.
      seed: of folds, weights and shuffles.
      types, keep, drop, missing: what columns are, as for `jaxbm.table.prepare`.
      prepare_from: other rows, as `frame`, to learn scales, categories and kinds of columns from: public ones, where
        those of `frame` are private. None for `frame` itself.
      sample_weight: how much each row counts in training and where a fold or a part of the rows validates: the name
        of a column, which is then no feature, or nonnegative numbers `[n]`, one for each row of `frame`. What is
        reported of rows counts each of them once.
      class_weight: "balanced" for weights inversely proportional to how frequent classes are, or `{class: weight}`
        with the names of the table, 1 for those left out; in training alone, as in Keras.
      folder: where an ensemble's state is kept in training, as for `jaxbm.fit_members`, and of "best" every finished
        round; the same call goes on there.
      progress: True for a bar, or a function as for `jaxbm.fit_members`; of "best" a line after each round.
      **changes: to the preset: fields of `jaxbm.tabular.Recipe` such as `hidden`, `members`, `folds`, `numbers` or
        `learning_rate`, and options of `jaxbm.fit` such as `epochs`, `patience`, `dropout` or `batch_size`.

    Returns:
      A `Fitted` with `predict`, `probabilities`, `evaluate`, `report`, `save`, `.metrics`.

    Raises:
      ValueError, TypeError: the table, the target or a change is unusable: more folds than a class has rows, where
        folds were asked for; a target that is the same in each row; an encoding of numbers for a column of text.

    Example:
      >>> import jaxbm
      >>> from jaxbm import table
      >>> train, test = table.split(*table.demo("iris"))
      >>> fitted = jaxbm.tabular.fit(train, "target", epochs=20)
      >>> fitted.classes, fitted.predict(test).shape, fitted.probabilities(test).shape
      (['setosa', 'versicolor', 'virginica'], (30,), (30, 3))
      >>> fitted.evaluate(test)["accuracy"] > 0.9 and fitted.metrics["out of fold"]["accuracy"] > 0.9
      True

    Source: Breiman, "Bagging predictors" (1996), and Krogh, Vedelsby, "Neural network ensembles, cross validation and
    active learning" (1994), of members validated on what they were not trained on; the encoding as in
    `jaxbm.table.number_encodings.number_features`.
    """
    from jaxbm import table
    from jaxbm.table.frames import as_pandas, several

    rows, other = (table.read(f) if isinstance(f, str | os.PathLike) else f for f in (frame, prepare_from))
    rows = as_pandas(rows)
    other = None if other is None else as_pandas(other, "prepare_from")
    columns = {"types": types, "keep": several("keep", keep), "drop": several("drop", drop)}
    columns["missing"] = several("missing", missing)
    if time is not None:
        changes["time"] = time
    made = plan(rows, target, preset, task=task, seed=seed, columns=columns, changes=changes, prepare_from=other,
                sample_weight=sample_weight, class_weight=class_weight)  # fmt: skip
    return train(made, folder=folder, progress=progress)
