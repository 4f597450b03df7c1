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
        predicted, target = preparation.predicted(logits), preparation.unscale(y)
        return values | terminal.regression_metrics(predicted, target) | in_own_units(preparation, values["loss"])
    return values | terminal.class_metrics(preparation.probabilities(logits), y)


def in_own_units(preparation: Preparation, loss: float) -> dict[str, float]:
    """What the mean loss of a scaled target is in the target's own units, under its usual name: of a deviance, of
    quantiles or of a distribution; nothing of another loss.

    A deviance with variance `mean**p` of a target over `s` is `s**(p - 2)` of the target's own.
    """
    found, scale = preparation.known_loss, preparation.target_scale
    if found is None:
        return {}
    power = {"poisson_deviance": 1.0, "gamma_deviance": 2.0}.get(found.entry.name, found.numbers.get("power"))
    if power is not None:
        return {found.entry.name: loss * scale ** (2 - power)}
    if found.entry.name == "gaussian_nll":
        return {"nll": loss + float(np.log(scale))}
    name = {"quantiles": "pinball", "gaussian": "crps"}.get(preparation.meaning)
    return {} if name is None else {name: loss * scale}


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
