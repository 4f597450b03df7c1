"""The loss and the task's metrics of outputs that are there already."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.training.predict import score

if TYPE_CHECKING:
    from jaxbm.table import Preparation


def measure_outputs(
    model: Any, logits: np.ndarray, preparation: Preparation, loss: str, y: np.ndarray
) -> dict[str, float]:
    """The loss and the task's metrics, a regression's in the target's own units.

    Args:
      model: what gave the outputs.
      logits: `[n, out]`.
      preparation: of the table.
      loss: its name.
      y: labels `[n]` as `preparation.labels` gives them.
    """
    from jaxbm.report import terminal

    found = default_loss(logits, preparation, loss, y)
    values = {"loss": found} if found is not None else score(model, logits.astype(model.param_dtype), y, loss=loss)
    if preparation.task == "regression":
        predicted, target = preparation.unscale(logits[:, 0]), preparation.unscale(y)
        return values | terminal.regression_metrics(predicted, target)
    return values | terminal.class_metrics(terminal.probabilities(logits), y)


def default_loss(logits: np.ndarray, preparation: Preparation, loss: str, y: np.ndarray) -> float | None:
    """The mean of a task's default loss, on the host and in float64, so that nothing is compiled for one number; None
    of another loss."""
    values = _ON_THE_HOST.get(loss)
    if values is None or not len(logits) or logits.shape[1] != preparation.n_outputs or not np.isfinite(y).all():
        return None  # what is wrong with them, `score` says
    return float(values(logits.astype(np.float64), y).mean())


_ON_THE_HOST: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "squared_error": lambda z, y: np.square(z[:, 0] - y),
    "sigmoid_binary_cross_entropy": lambda z, y: np.logaddexp(0.0, z[:, 0]) - z[:, 0] * y,
    "softmax_cross_entropy_with_integer_labels": lambda z, y: (
        np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), y]
    ),
}
