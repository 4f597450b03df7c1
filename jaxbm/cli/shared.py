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
    from jaxbm import report
    from jaxbm.inference import score

    logits = jaxbm.predict(model, params, x)
    values = score(model, logits, y, loss=loss)
    if preparation.task == "regression":
        predicted, target = preparation.unscale(logits[:, 0]), preparation.unscale(y)
        return values | report.regression_metrics(predicted, target)
    return values | report.class_metrics(report.probabilities(logits), y)


def load_model(folder: str) -> Any:
    """A model saved with its preparation of tables."""
    import jaxbm

    saved = jaxbm.load(folder)
    if saved.preparation is None:
        raise ValueError(f"{folder}: expected a model saved with its preparation of tables, got one without")
    return saved
