"""The loss and the task's metrics of outputs that are there already."""

from __future__ import annotations

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

    values = score(model, logits.astype(model.param_dtype), y, loss=loss)
    if preparation.task == "regression":
        predicted, target = preparation.unscale(logits[:, 0]), preparation.unscale(y)
        return values | terminal.regression_metrics(predicted, target)
    return values | terminal.class_metrics(terminal.probabilities(logits), y)
