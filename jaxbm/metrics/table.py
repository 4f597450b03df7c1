"""The metrics by name, as functions of logits, labels and weights."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

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


class MetricEntry(NamedTuple):
    """A metric, and what those who take it by name need to know."""

    function: Callable[..., Array]
    takes: Callable[..., Array]
    """how it is called with logits: `_decided` classes, `_probable` ones, or the logits `_direct`ly"""
    greater_is_better: bool = False
    heading: str = ""
    """of a column in reports; the name where it is empty"""
    tasks: tuple[str, ...] = ()
    """of tables whose reports show it"""

    @property
    def name(self) -> str:
        """What the metric is called."""
        return self.function.__name__


CLASSES = ("binary", "multiclass")

#: Every metric that `fit` knows by name, once, in the order of reports. The AUCs of multi-class logits are taken from
#: probabilities: one logit alone doesn't rank one class.
TABLE = (
    MetricEntry(accuracy, _decided, True, tasks=CLASSES),
    MetricEntry(balanced_accuracy, _decided, True, tasks=CLASSES),
    MetricEntry(precision, _decided, True),
    MetricEntry(recall, _decided, True),
    MetricEntry(f1, _decided, True, "F1", CLASSES),
    MetricEntry(roc_auc, _probable, True, "ROC AUC", CLASSES),
    MetricEntry(log_loss, _probable),
    MetricEntry(brier_score, _probable),
    MetricEntry(calibration_error, _probable),
    MetricEntry(average_precision, _direct, True),
    MetricEntry(mse, _direct, False, "MSE", ("regression",)),
    MetricEntry(rmse, _direct, False, "RMSE", ("regression",)),
    MetricEntry(mae, _direct, False, "MAE", ("regression",)),
    MetricEntry(r2, _direct, True, "R2", ("regression",)),
)

#: Functions of `(logits, labels, weights)`: binary logits `[n]` decide at 0, `[n, classes]` by the largest.
METRICS: dict[str, Hook] = {entry.name: partial(entry.takes, entry.function) for entry in TABLE}


def greater_is_better(name: str) -> bool:
    """Whether more of it is better; False for a name that is not ours, such as "loss".

    Example:
      >>> from jaxbm.metrics import greater_is_better
      >>> greater_is_better("accuracy"), greater_is_better("loss")
      (True, False)
    """
    return any(entry.greater_is_better for entry in TABLE if entry.name == name)


def heading(name: str) -> str:
    """What a column of this metric is called in a report.

    Example:
      >>> from jaxbm.metrics import heading
      >>> heading("roc_auc"), heading("balanced_accuracy")
      ('ROC AUC', 'balanced accuracy')
    """
    given = next((entry.heading for entry in TABLE if entry.name == name), "")
    return given or name.replace("_", " ")


def metrics_for(task: str) -> tuple[str, ...]:
    """Names of the metrics that a task of tables is judged by, in the order shown.

    Example:
      >>> from jaxbm.metrics import metrics_for
      >>> metrics_for("regression")
      ('mse', 'rmse', 'mae', 'r2')
    """
    return tuple(entry.name for entry in TABLE if task in entry.tasks)


def metric(name: str) -> Hook:
    """The function of `(logits, labels, weights)` called `name`; ValueError with the nearest valid name.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.metric("accuracy")(jnp.asarray([2.0, -1.0]), jnp.asarray([1, 1]), None))
      0.5
    """
    return lookup("metric", name, METRICS)
