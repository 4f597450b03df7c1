"""The metrics by name, as functions of logits, labels and weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxbm.core.names import lookup
from jaxbm.metrics.decisions import accuracy, balanced_accuracy, f1, precision, recall
from jaxbm.metrics.probabilities import brier_score, calibration_error, log_loss
from jaxbm.metrics.ranking import average_precision, roc_auc
from jaxbm.metrics.regression import mae, mse, r2, rmse

Hook = Callable[[Array, Array, Array | None], Array]


def _decided(metric: Callable[..., Array], logits: Array, labels: Array, weights: Array | None) -> Array:
    if logits.ndim == 1:
        decided = (logits > 0).astype(jnp.int32)
        return metric(decided, labels, weights=weights)
    options: dict[str, Any] = {} if metric is accuracy else {"num_classes": logits.shape[1]}
    if metric in (precision, recall, f1):
        options["average"] = "macro"
    if labels.ndim == 2:
        labels = labels.argmax(axis=1)
    return metric(logits.argmax(axis=1), labels, weights=weights, **options)


def _probable(metric: Callable[..., Array], logits: Array, labels: Array, weights: Array | None) -> Array:
    if labels.ndim == 2:
        labels = labels.argmax(axis=1)
    p = jax.nn.sigmoid(logits) if logits.ndim == 1 else jax.nn.softmax(logits)
    return metric(p, labels, weights=weights)


def _direct(metric: Callable[..., Array], logits: Array, labels: Array, weights: Array | None) -> Array:
    return metric(logits, labels, weights=weights)


#: Functions of `(logits, labels, weights)`: binary logits `[n]` decide at 0, `[n, classes]` by the largest.
METRICS: dict[str, Hook] = {
    **{m.__name__: partial(_decided, m) for m in (accuracy, balanced_accuracy, precision, recall, f1)},
    # The AUCs of multi-class logits are taken from probabilities: one logit alone doesn't rank one class.
    **{m.__name__: partial(_probable, m) for m in (roc_auc, log_loss, brier_score, calibration_error)},
    **{m.__name__: partial(_direct, m) for m in (average_precision, mse, rmse, mae, r2)},
}


def metric(name: str) -> Hook:
    """The function of `(logits, labels, weights)` called `name`; ValueError with the nearest valid name.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.metric("accuracy")(jnp.asarray([2.0, -1.0]), jnp.asarray([1, 1]), None))
      0.5
    """
    return lookup("metric", name, METRICS)
