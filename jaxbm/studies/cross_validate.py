"""`cross_validate`: all folds and repeats in one call, out-of-fold predictions, metrics of each fold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import counter
from jaxbm.core import rows as row_trees
from jaxbm.core.brief import shown
from jaxbm.core.calls import helpful
from jaxbm.core.dataframe import tidy
from jaxbm.core.keys import member_keys
from jaxbm.core.settings import non_finite_is_told
from jaxbm.core.weights import scaled
from jaxbm.kernels.spare import spared
from jaxbm.members.fit_members import fit_members
from jaxbm.members.progress import Report
from jaxbm.members.result import MembersResult
from jaxbm.models.protocol import Model
from jaxbm.run.accepts import Accepts
from jaxbm.run.inputs import features_and_labels
from jaxbm.run.options import TrainingOptions
from jaxbm.studies.folds import Fold, is_classification, make_folds
from jaxbm.training.predict import predict, score


@dataclass(frozen=True)
class CrossValidation:
    """What cross-validation finds; made by `cross_validate`."""

    predictions: np.ndarray
    """float32 `[repeats, n, out]`: each row's logits by the member that did not see it; NaN where it was never held
    out"""
    scores: dict[str, np.ndarray]
    """"loss" and the metrics: `[repeats * folds]`, of each fold's held-out rows"""
    folds: list[Fold]
    """the rows: `(training, held out)` of each member"""
    members: MembersResult
    repeats: int

    def mean(self) -> dict[str, float]:
        """Each score's mean over the folds."""
        return {name: float(values.mean()) for name, values in self.scores.items()}

    def table(self) -> Any:
        """A line for each fold: repeat, fold, held-out rows, epochs run, scores."""
        per = len(self.folds) // self.repeats
        columns = {
            "repeat": np.repeat(np.arange(self.repeats), per),
            "fold": np.tile(np.arange(per), self.repeats),
            "rows": [len(held_out) for _, held_out in self.folds],
            "epochs_run": np.asarray(self.members.epochs_run),
        }
        return tidy(columns | self.scores)

    def __repr__(self) -> str:
        return shown(self)


ACCEPTS = Accepts(
    "cross_validate",
    many=True,
    without=("rows", "validation_rows", "validation_data"),
    texts={
        "validation_split": "fraction of each fold's training rows set apart for early stopping. Without it, the "
        'history\'s "val_loss" is that of the held-out rows, which training then must not look at.',
        "patience": "as for `fit`; needs `validation_split`.",
        "sample_weight": "nonnegative `[n]`.",
    },
)


@ACCEPTS.documented
@helpful
@non_finite_is_told
@spared
def cross_validate(
    key: Array,
    model: Model,
    x: Any,
    y: Any,
    *,
    folds: Any = 5,
    stratified: bool | None = None,
    groups: ArrayLike | None = None,
    repeats: int = 1,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | Report = False,
    **options: Unpack[TrainingOptions],
) -> CrossValidation:
    """Train on every fold's training rows at once, and judge each member by the rows held out from it.

    Args:
      key: a JAX random key, for the folds and the members.
      model, x, y: as for `jaxbm.fit`.
      **options: every option of a run, one by one in `jaxbm.run.options.TrainingOptions`, and in
        `help(jaxbm.cross_validate)`.
      folds: a number, a scikit-learn splitter, or pairs `(training rows, held-out rows)`.
      stratified: the same share of each class in every fold; None for yes where the loss is one for classes.
      groups: `[n]`; rows of one group are held out together.
      repeats: how many times, each with other folds.
      folder, progress: as for `jaxbm.fit_members`.

    Returns:
      A `CrossValidation` with `.predictions`, `.scores`, `.mean()`, `.table()`.

    Raises:
      ValueError: `patience` without `validation_split`, which would choose the epoch by the held-out rows; or as for
        `fit_members`.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> x = np.random.default_rng(0).normal(size=(90, 3)).astype("float32")
      >>> y = (x[:, 0] > 0).astype("float32")
      >>> found = jaxbm.cross_validate(jax.random.key(0), jaxbm.MLP((3, 8, 1)), x, y, folds=3, epochs=5,
      ...     loss="sigmoid_binary_cross_entropy", metrics=["accuracy"])
      >>> found.predictions.shape, found.scores["accuracy"].shape
      ((1, 90, 1), (3,))

    Source: Stone, "Cross-validatory choice and assessment of statistical predictions" (1974).
    """
    training = ACCEPTS.training(options)
    split, loss = training.validation_split, training.loss
    if training.patience is not None and not split:
        raise ValueError("patience: expected validation_split > 0 beside it; held-out rows must not choose the epoch")
    x, y = features_and_labels(model, loss, x, y)
    n = row_trees.count(x)
    stratified = (is_classification(loss, y) and not hasattr(folds, "split")) if stratified is None else stratified
    seed = int(counter.words(key)[0]) % 2**31
    pairs = make_folds(n, y, folds, stratified=stratified, groups=groups, repeats=repeats, seed=seed)
    keys = member_keys(key, len(pairs))
    rows: dict[str, Any] = {"rows": [train for train, _ in pairs]}
    if split:  # the last of them are set apart, so they must be in no order
        rows["rows"] = [np.random.default_rng(seed + i).permutation(train) for i, train in enumerate(rows["rows"])]
    else:
        rows["validation_rows"] = [held_out for _, held_out in pairs]
    members = fit_members(keys, model, x, y, folder=folder, progress=progress, **{**vars(training), **rows})
    predictions = np.full((repeats, n, model.n_outputs), np.nan, np.float32)
    weight = None if training.sample_weight is None else np.asarray(scaled(training.sample_weight))
    scored, x, y = list[dict[str, float]](), row_trees.on_host("x", x), row_trees.on_host("y", y)
    for i, (_, held_out) in enumerate(pairs):
        logits = predict(model, members.member(i).params, row_trees.take(x, held_out))
        predictions[i * repeats // len(pairs), held_out] = logits
        own = None if weight is None else weight[held_out]
        judged = {"loss": loss, "metrics": training.metrics, "sample_weight": own}
        scored.append(score(model, logits, row_trees.take(y, held_out), **judged))
    scores = {name: np.asarray([one[name] for one in scored]) for name in scored[0]}
    return CrossValidation(predictions, scores, pairs, members, repeats)
