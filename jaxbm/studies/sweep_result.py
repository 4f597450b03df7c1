"""What a sweep finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxbm.core.brief import shown
from jaxbm.core.dataframe import tidy
from jaxbm.models.protocol import Model
from jaxbm.training.whole_run import FitResult


@dataclass(frozen=True)
class SweepResult:
    """Trials and their scores; made by `sweep`."""

    trials: tuple[dict[str, Any], ...]
    metric: str
    greater_is_better: bool
    scores: np.ndarray
    """`[trials, seeds, folds]`: of the epoch that would be kept; NaN where a member went non-finite or was not run"""
    epochs: np.ndarray
    """int `[trials]`: how many epochs the trial was allowed; 0 where it was not run"""
    epochs_run: np.ndarray
    """int `[trials, seeds, folds]`"""
    best_epoch: np.ndarray
    """int `[trials, seeds, folds]`: where in the history, counted from 0; tables count epochs from one"""
    model: Model | None = None
    """the best trial's architecture"""
    refit: FitResult | None = None
    """the best trial trained on all rows"""

    @property
    def mean(self) -> np.ndarray:
        """`[trials]`: the mean score over seeds and folds."""
        return self.scores.mean(axis=(1, 2))

    @property
    def order(self) -> np.ndarray:
        """Trials from the best to the worst; those stopped after fewer epochs come later."""
        mean = np.where(np.isfinite(self.mean), self.mean, -np.inf if self.greater_is_better else np.inf)
        return np.lexsort((np.arange(len(mean)), -mean if self.greater_is_better else mean, -self.epochs))

    @property
    def best(self) -> int:
        """The best trial."""
        return int(self.order[0])

    @property
    def best_values(self) -> dict[str, Any]:
        """Its hyper-parameters."""
        return self.trials[self.best]

    @property
    def finished(self) -> int:
        """How many trials were run, at least in part."""
        return int((self.epochs > 0).sum())

    def table(self) -> Any:
        """A line for each trial that was run, the best first: hyper-parameters, score, spread, epochs.

        As in every table, `best_epoch` counts from one (the mean of several members'); the attribute is a place in a
        history, counted from 0.
        """
        order = self.order[: self.finished]
        columns: dict[str, Any] = {"trial": order}
        for name in self.trials[0]:
            values = [self.trials[i][name] for i in order]
            is_widths = any(isinstance(value, list | tuple) for value in values)
            columns[name] = [",".join(map(str, np.atleast_1d(v))) for v in values] if is_widths else values
        columns[self.metric] = self.mean[order]
        columns["std"] = self.scores[order].std(axis=(1, 2))
        columns["epochs"] = self.epochs[order]
        columns["best_epoch"] = (self.best_epoch[order] + 1).mean(axis=(1, 2))
        columns["finite"] = np.isfinite(self.scores[order]).all(axis=(1, 2))
        return tidy(columns)

    def member_table(self) -> Any:
        """A line for each member: trial, seed, fold, score, epochs run, the best of them (from one; 0: none)."""
        trials, seeds, folds = np.indices(self.scores.shape).reshape(3, -1)
        columns = {"trial": trials, "seed": seeds, "fold": folds, self.metric: self.scores.ravel()}
        columns |= {
            "epochs_run": self.epochs_run.ravel(),
            "best_epoch": np.where(self.epochs_run > 0, self.best_epoch + 1, 0).ravel(),
        }
        return tidy(columns)

    def __repr__(self) -> str:
        return shown(self)


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep; `.result` holds the trials that were finished."""

    def __init__(self, result: SweepResult):
        super().__init__(f"interrupted; .result holds the {result.finished} of {len(result.trials)} trials finished")
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result,)
