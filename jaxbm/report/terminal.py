"""Tables and plots of a training run, for a person to read."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import numpy as np

from jaxbm.core.extras import needs
from jaxbm.losses.meaning import class_probabilities
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
    return class_probabilities(np.asarray(logits, np.float64))


def class_metrics(p: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy, F1 (macro for three or more classes) and ROC AUC (mean of one against the rest).

    The same as `jaxbm.metrics`, but on the host and in float64: for a report of a few numbers nothing has to be
    compiled, nor a library imported.

    Args:
      p: probabilities `[n, classes]`.
      labels: class numbers `[n]`.

    Returns:
      `{name: value}`; the AUC is NaN where a class does not occur.
    """
    classes, labels = p.shape[1], np.asarray(labels, np.int64)
    decided = p.argmax(axis=1)
    right = np.bincount(labels[decided == labels], minlength=classes)
    true, claimed = (np.bincount(which, minlength=classes) for which in (labels, decided))
    f1 = 2 * right / np.maximum(true + claimed, 1)
    curves = [1] if classes == 2 else range(classes)
    values = (
        (decided == labels).mean(),
        (right[true > 0] / true[true > 0]).mean(),
        f1[1] if classes == 2 else f1[true + claimed > 0].mean(),
        np.mean([area_under_curve(p[:, c], labels == c) for c in curves]) if true.all() else np.nan,
    )
    return dict(zip(metrics_for("binary"), map(float, values), strict=True))


def area_under_curve(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """ROC AUC: how often one of the positives has a higher score than one of the others, equal ones counting half.

    Example:
      >>> import numpy as np
      >>> from jaxbm.report.terminal import area_under_curve
      >>> area_under_curve(np.asarray([0.1, 0.4, 0.4, 0.8]), np.asarray([False, False, True, True]))
      0.875

    Source: Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 1982.
    """
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positives = int(is_positive.sum())
    above = ranks[is_positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(scores) - positives)))


def regression_metrics(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Mean squared error, its root, mean absolute error and R2 of `[n]` against `[n]`, on the host in float64."""
    errors = np.asarray(predictions, np.float64) - np.asarray(targets, np.float64)
    mse, variance = np.square(errors).mean(), np.asarray(targets, np.float64).var()
    r2 = 1 - mse / variance if variance else float(mse == 0)
    values = (mse, np.sqrt(mse), np.abs(errors).mean(), r2 if len(targets) > 1 else np.nan)
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


@needs("the picture")
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
