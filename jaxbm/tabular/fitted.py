"""What a table taught: a model or an ensemble that is asked by tables."""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.brief import shown
from jaxbm.core.calls import answering
from jaxbm.members.ensemble import Ensemble
from jaxbm.models.protocol import Model
from jaxbm.saved import many_models, one_model
from jaxbm.saved.outputs import ensemble_outputs, load_any
from jaxbm.tabular.measuring import measure_outputs
from jaxbm.training.predict import predict

if TYPE_CHECKING:
    import pandas as pd

    from jaxbm.table import Preparation
    from jaxbm.tabular.plan import Plan


@answering("table")
@dataclass(frozen=True, kw_only=True)
class TableModel:
    """A trained model and its preparation of tables, as `load` finds them.

    It is what the functions of `jaxbm.understand` take, too.
    """

    model: Model
    """the architecture; of an ensemble, each member's"""
    params: Any
    """of the model; with a leading axis of members in an ensemble"""
    ensemble: Ensemble | None
    preparation: Preparation
    metadata: dict[str, Any]

    @property
    def predictor(self) -> Any:
        """What predicts from features: an `Ensemble`, or the pair of model and parameters."""
        return (self.model, self.params) if self.ensemble is None else self.ensemble

    @property
    def classes(self) -> list[Any]:
        """The classes in the order of `probabilities`; none for a quantity."""
        return list(self.preparation.classes)

    def logits(self, frame: pd.DataFrame) -> np.ndarray:
        """`[n, out]`: what the network gives; for an ensemble the mean, for classes that of the probabilities."""
        return self.outputs(self.preparation.features(frame))

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """`logits` of features `[n, in]` that are prepared already."""
        if self.ensemble is None:
            return predict(self.model, self.params, x)
        return ensemble_outputs(self.ensemble, self.preparation, x)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """`[n]`: each row's most probable class, or its quantity in the target's own units: the mean, or of several
        quantiles the one nearest to the middle.

        Raises:
          ValueError: a column is missing, or holds something else than in training.
        """
        logits = self.logits(frame)
        if self.preparation.task == "regression":
            return self.preparation.predicted(logits)
        if self.preparation.meaning == "steps":
            logits = self.preparation.probabilities(logits)
        decided = (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)
        return self.preparation.class_array[decided]

    def further(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """`{name: [n]}`: what else is predicted of a quantity, in its units: each of several quantiles, or the
        standard deviation of a predicted distribution; nothing where a loss asks for one output.

        Raises:
          ValueError: as for `predict`.
        """
        return self.preparation.further(self.logits(frame)) if self.preparation.task == "regression" else {}

    def probabilities(self, frame: pd.DataFrame) -> np.ndarray:
        """float64 `[n, classes]`, in the order of `classes`.

        Raises:
          ValueError: the target is a quantity; or as for `predict`.
        """
        if self.preparation.task == "regression":
            raise ValueError(f"probabilities: expected classes, the target {self.preparation.target!r} is a quantity")
        return self.preparation.probabilities(self.logits(frame))

    def evaluate(self, frame: pd.DataFrame) -> dict[str, float]:
        """The loss and the task's metrics of the rows that have a label, a regression's in the target's own units.

        Raises:
          ValueError: the target is missing, or as for `predict`.
        """
        rows = self.preparation.labelled(frame)
        loss = self.metadata["loss"]
        return measure_outputs(self.model, self.logits(rows), self.preparation, loss, self.preparation.labels(rows))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write it into a folder, for `load`, `jaxbm.load` or `jaxbm.load_members`, and the command line.

        Raises:
          ValueError: `folder` is a file, or holds something else than a saved model of this kind.
        """
        more: dict[str, Any] = {"preparation": self.preparation, "metadata": self.metadata}
        if self.ensemble is None:
            one_model.save(folder, self.model, self.params, **more)
        else:
            many_models.save_members(folder, self.ensemble, **more)

    def __repr__(self) -> str:
        return shown(self)


@dataclass(frozen=True, kw_only=True)
class Fitted(TableModel):
    """What `jaxbm.tabular.fit` returns."""

    plan: Plan
    """what was trained on what"""
    result: Any
    """of `jaxbm.fit` or `jaxbm.fit_members`"""
    out_of_fold: np.ndarray | None
    """float64 `[n, out]`: logits of each row by the members that were not trained on it; None without folds"""

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """ "out of fold": the loss and the task's metrics of every row by the members that were not trained on it.

        Each of them chose its epoch by such rows, so they flatter a little. Empty without folds.
        """
        return dict(self.metadata["metrics"])

    def summary(self) -> str:
        """What was made of the table, and how it was learned."""
        return f"{self.preparation.summary()}\n{self.plan.recipe.told}\n{self.model.summary()}"

    def sets(self, test: pd.DataFrame | None = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Features and labels of the rows that say how good it is: those trained on or out of fold, validated on, and
        `test`."""
        found = {"training": self.plan.training}
        if self.out_of_fold is not None:
            known = ~np.isnan(self.out_of_fold).any(axis=1)
            found = {"out of fold": (self.plan.training[0][known], self.plan.training[1][known])}
        if self.plan.validation is not None:
            found["validation"] = self.plan.validation
        if test is not None and len(test):
            found["test"] = (self.preparation.features(test), self.preparation.labels(test))
        return found

    def outputs_of(self, name: str, x: np.ndarray) -> np.ndarray:
        """The outputs of one of `sets`; out of fold by the members that did not see the row."""
        if name == "out of fold" and self.out_of_fold is not None:
            return self.out_of_fold[~np.isnan(self.out_of_fold).any(axis=1)]
        return self.outputs(x)

    def report(self, path: str | os.PathLike[str], test: pd.DataFrame | None = None, **options: Any) -> pathlib.Path:
        """Write `jaxbm.report.html` of it, one file that needs no server.

        Args:
          path: the file.
          test: rows with labels that were not trained on; the pictures show these, or the out-of-fold ones.
          **options: `title`, `timings`, `implementation`, `command` and `importance` of `jaxbm.report.html`.

        Raises:
          ValueError: as for `jaxbm.report.html`.
        """
        from jaxbm.report.page import html

        sets = self.sets(None if test is None else self.preparation.labelled(test))
        known = {name: self.outputs_of(name, x) for name, (x, _) in sets.items() if name == "out of fold"}
        model = self.model if self.ensemble is None else self.ensemble
        return html(path, self.result, data=sets, outputs=known, preparation=self.preparation, model=model, **options)

    def __repr__(self) -> str:
        return shown(self)


def load(folder: str | os.PathLike[str]) -> TableModel:
    """What `Fitted.save`, `jaxbm train` or `jaxbm.save` with a preparation of tables wrote.

    Raises:
      FileNotFoundError: there is no saved model in `folder`.
      ValueError: a file is damaged or foreign, the model was saved without its preparation of tables, or the folder
        holds models by group, which `jaxbm.load_members` gives.
    """
    found = load_any(str(folder))
    inner = getattr(found, "predictor", None)
    if inner is not None and not isinstance(inner, Ensemble):
        raise ValueError(f"{folder}: expected a model or an ensemble, got models by group: see jaxbm.load_members")
    source = found if inner is None else inner
    return TableModel(
        model=source.model, params=source.params, ensemble=inner, preparation=found.preparation,
        metadata=found.metadata,
    )  # fmt: skip
