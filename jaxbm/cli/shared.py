"""What several commands need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from jaxbm.table import Preparation


def measure(
    model: Any, params: Any, preparation: Preparation, loss: str, x: np.ndarray, y: np.ndarray
) -> dict[str, float]:
    """The loss and the task's metrics, a regression's in the target's own units."""
    import jaxbm
    from jaxbm.report import TASK_METRICS

    names = TASK_METRICS[preparation.task]
    values = jaxbm.evaluate(model, params, x, y, loss=loss, metrics=names)
    if preparation.task == "regression":  # in the target's own units; R2 has none
        scale = preparation.target_scale
        powers = {"mse": 2, "rmse": 1, "mae": 1, "r2": 0}
        values |= {name: values[name] * scale ** powers[name] for name in names}
    return values


def load_model(folder: str) -> Any:
    """A model saved with its preparation of tables."""
    import jaxbm

    saved = jaxbm.load(folder)
    if saved.preparation is None:
        raise ValueError(f"{folder}: expected a model saved with its preparation of tables, got one without")
    return saved
