"""Tables and plots of a training run, for a person to read."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import numpy as np

from jaxbm.metrics import heading, metrics_for
from jaxbm.report.fitting import Fitting


def probabilities(logits: np.ndarray) -> np.ndarray:
    """float64 `[n, classes]` from logits `[n, classes]`, or from binary logits `[n, 1]` of the second class.

    Example:
      >>> import numpy as np
      >>> from jaxbm.report.terminal import probabilities
      >>> probabilities(np.zeros((1, 1))).tolist()
      [[0.5, 0.5]]
    """
    logits = np.asarray(logits, np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def class_metrics(p: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy, F1 (macro for three or more classes) and ROC AUC (mean of one against the rest).

    The same as `jaxbm.metrics`, but on the host and in float64 by scikit-learn, which the table needed anyhow: for
    a report of a few numbers, nothing has to be compiled.

    Args:
      p: probabilities `[n, classes]`.
      labels: class numbers `[n]`.

    Returns:
      `{name: value}`; the AUC is NaN where a class does not occur.
    """
    from sklearn import metrics

    decided, present = p.argmax(axis=1), np.unique(labels)
    average = "binary" if p.shape[1] == 2 else "macro"
    curves = [1] if p.shape[1] == 2 else range(p.shape[1])
    complete = len(present) == p.shape[1]
    areas = [metrics.roc_auc_score(labels == c, p[:, c]) for c in curves] if complete else [np.nan]
    values = (
        metrics.accuracy_score(labels, decided),
        metrics.recall_score(labels, decided, labels=present, average="macro", zero_division=0),
        metrics.f1_score(labels, decided, average=average, zero_division=0),
        np.mean(areas),
    )
    return dict(zip(metrics_for("binary"), map(float, values), strict=True))


def regression_metrics(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Mean squared error, its root, mean absolute error and R2 of `[n]` against `[n]`, on the host in float64."""
    from sklearn import metrics

    mse = metrics.mean_squared_error(targets, predictions)
    r2 = metrics.r2_score(targets, predictions) if len(targets) > 1 else np.nan
    values = (mse, np.sqrt(mse), metrics.mean_absolute_error(targets, predictions), r2)
    return dict(zip(metrics_for("regression"), map(float, values), strict=True))


def metrics_table(rows: Mapping[str, Mapping[str, float]]) -> Fitting:
    """A table for rich: a line per data set, a column per metric; the other way round on a narrow terminal.

    Args:
      rows: `{"train": {"loss": 0.1, ...}, "test": ...}`.
    """
    names = list(next(iter(rows.values())))
    lines = [[label, *(_shown(values[name]) for name in names)] for label, values in rows.items()]
    return Fitting(["", *map(heading, names)], lines)


def _shown(value: float) -> str:
    return f"{value:.4g}" if abs(value) >= 10 else f"{value:.4f}"


def plot_history(history: Mapping[str, np.ndarray], path: str | pathlib.Path) -> None:
    """Write a picture of the loss (and validation loss) by epoch; needs matplotlib.

    Args:
      history: as in `FitResult.history`.
      path: file to write; its ending decides the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="loss")
    for name in ("loss", "val_loss"):
        if name in history:
            axes.plot(np.asarray(history[name]), label="training" if name == "loss" else "validation")
    axes.legend()
    figure.savefig(path)
