"""Tables and plots of a training run, for a person to read."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

#: Which metrics a task is judged by, in the order shown.
TASK_METRICS = {
    "binary": ("accuracy", "balanced_accuracy", "f1", "roc_auc"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1", "roc_auc"),
    "regression": ("mse", "rmse", "mae", "r2"),
}


def metrics_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """A rich table: a line per data set, a column per metric.

    Args:
      rows: `{"train": {"loss": 0.1, ...}, "test": ...}`.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    names = list(next(iter(rows.values())))
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for label, values in rows.items():
        table.add_row(label, *(_shown(values[name]) for name in names))
    return table


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
