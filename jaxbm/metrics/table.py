"""The metrics by name, as functions of logits, labels and weights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.checks import is_traced
from jaxbm.core.names import lookup
from jaxbm.losses import LABELS, OUTPUTS
from jaxbm.metrics.arguments import codes, floats, real, refuse, row_weights, unless
from jaxbm.metrics.decisions import accuracy, balanced_accuracy, f1, precision, recall
from jaxbm.metrics.forecasts import crps, gamma_deviance, pinball, poisson_deviance
from jaxbm.metrics.outputs import (
    DECIDED,
    DIRECT,
    PROBABLE,
    QUANTILES,
    RANKED,
    READABLE,
    RISKS,
    SPREAD,
    numbers,
    steps_taken,
)
from jaxbm.metrics.probabilities import brier_score, calibration_error, log_loss
from jaxbm.metrics.ranking import average_precision, roc_auc
from jaxbm.metrics.regression import mae, mape, mse, r2, rmse
from jaxbm.metrics.survival import concordance_index


class MetricEntry(NamedTuple):
    """A metric, and what those who take it by name need to know."""

    function: Callable[..., Array]
    way: str
    """how it reads logits: DECIDED, PROBABLE, RANKED, DIRECT, QUANTILES, SPREAD or RISKS"""
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

#: Every metric that `fit` knows by name, once, in the order of reports.
TABLE = (
    MetricEntry(accuracy, DECIDED, True, tasks=CLASSES),
    MetricEntry(balanced_accuracy, DECIDED, True, tasks=CLASSES),
    MetricEntry(precision, DECIDED, True),
    MetricEntry(recall, DECIDED, True),
    MetricEntry(f1, DECIDED, True, "F1", CLASSES),
    MetricEntry(roc_auc, RANKED, True, "ROC AUC", CLASSES),
    MetricEntry(log_loss, PROBABLE),
    MetricEntry(brier_score, PROBABLE),
    MetricEntry(calibration_error, PROBABLE),
    MetricEntry(average_precision, RANKED, True),
    MetricEntry(mse, DIRECT, False, "MSE", ("regression",)),
    MetricEntry(rmse, DIRECT, False, "RMSE", ("regression",)),
    MetricEntry(mae, DIRECT, False, "MAE", ("regression",)),
    MetricEntry(r2, DIRECT, True, "R2", ("regression",)),
    MetricEntry(mape, DIRECT, False, "MAPE"),
    MetricEntry(pinball, QUANTILES, False, "pinball loss"),
    MetricEntry(poisson_deviance, DIRECT, False, "Poisson deviance"),
    MetricEntry(gamma_deviance, DIRECT, False, "Gamma deviance"),
    MetricEntry(crps, SPREAD, False, "CRPS"),
    MetricEntry(concordance_index, RISKS, True),
)

WAYS = {entry.name: (entry.function, entry.way) for entry in TABLE}


@dataclass(frozen=True)
class Hook:
    """A metric as `fit` and `evaluate` call it: `(logits, labels, weights)`, for labels of one kind.

    One logit a row, `[n]` or `[n, 1]`, decides at 0, `[n, classes]` by the largest; of several labels a row each
    decides at 0. Labels that are no classes make a metric of classes NaN where values can't be looked at, else they
    are a ValueError; so does a NaN among the logits, except for rows of weight 0.

    Metrics of numbers take outputs for what the loss does: `exp` of the logarithm of a mean, the mean of a mean and a
    variance, the quantile nearest to the middle, the class that steps lead to.
    """

    name: str
    kind: str | None = None
    outputs: str | None = None
    quantiles: float | tuple[float, ...] = 0.5

    def __call__(self, logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> Array:
        """The metric: float32, or float64 for logits of that type."""
        metric, way = WAYS[self.name]
        logits, labels = match(real("logits", logits), real("labels", labels))
        if way == QUANTILES:
            is_own = self.outputs == "quantiles"
            found = logits if is_own else numbers(logits, labels, self.outputs, self.quantiles)
            return metric(found, labels, quantiles=self.quantiles if is_own else 0.5, weights=weights)
        if way == DIRECT:
            return metric(numbers(logits, labels, self.outputs, self.quantiles), labels, weights=weights)
        if way in (SPREAD, RISKS):
            return metric(logits, labels, weights=weights)
        if self.outputs == "steps":
            return _of_steps(metric, logits, labels, weights)
        if labels.ndim == 1:
            return _of_classes(metric, way, logits, labels, weights)
        if self.kind in ("binary", "sign"):
            return _of_several(metric, way, logits, labels, weights)
        w = None if weights is None else row_weights(weights, logits)
        one_hot = _one_hot_rows(labels)
        of_classes = partial(_of_classes, metric, way, logits, labels.argmax(axis=1).astype(jnp.int32), weights)
        if self.kind == "distribution":
            refuse("labels", labels, one_hot, w, "one-hot rows: soft labels have no class")
            return unless(one_hot, w, of_classes())
        heeded = one_hot if w is None else one_hot | (w == 0)
        if not is_traced(heeded):
            all_one_hot = bool(np.asarray(jax.device_get(heeded)).all())
            return of_classes() if all_one_hot else _of_several(metric, way, logits, labels, weights)
        several: Any = jnp.nan if metric is balanced_accuracy else _of_several(metric, way, logits, labels, weights)
        return jnp.where(heeded.all(), of_classes(), several)

    def check_outputs(self) -> None:
        """ValueError where the metric can't read what the loss takes outputs for."""
        _, way = WAYS[self.name]
        if self.outputs is None or way in READABLE[self.outputs]:
            return
        raise ValueError(
            f"metrics: expected some that read outputs which are {OUTPUTS[self.outputs]}, got {self.name!r}"
        )


def match(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Logits and labels of the same rows: one column is none, in both alike, and class numbers have none.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.metrics.table import match
      >>> [a.shape for a in match(jnp.ones((5, 1)), jnp.ones(5))]
      [(5,), (5,)]
    """
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = logits[:, 0]
    if labels.ndim == 2 and labels.shape[1] == 1:
        whole = not jnp.issubdtype(labels.dtype, jnp.floating)
        labels = labels[:, 0] if logits.ndim == 1 or whole else labels
    return logits, labels


def _of_classes(metric: Callable[..., Array], way: str, logits: Array, labels: Array, weights: Any) -> Array:
    if logits.ndim == 1:
        labels = _zero_or_one(labels, weights)
        if way == DECIDED:
            return _unless_nan(logits, weights, metric(_positive(logits), labels, weights=weights))
        return metric(
            jax.nn.sigmoid(floats("logits", logits)) if way == PROBABLE else logits, labels, weights=weights
        )
    if way != DECIDED:
        # Multi-class logits are ranked as probabilities: one logit alone doesn't rank one class.
        return metric(jax.nn.softmax(floats("logits", logits)), labels, weights=weights)
    options: dict[str, Any] = {} if metric is accuracy else {"num_classes": logits.shape[1]}
    if metric in (precision, recall, f1):
        options["average"] = "macro"
    elif metric is accuracy:
        labels = _below(labels, logits.shape[1])
    decided = logits.argmax(axis=1).astype(jnp.int32)
    return _unless_nan(logits, weights, metric(decided, labels, weights=weights, **options))


def _of_several(metric: Callable[..., Array], way: str, logits: Array, labels: Array, weights: Any) -> Array:
    if logits.shape != labels.shape:
        raise ValueError(f"labels: expected the logits' shape {list(logits.shape)}, got {list(labels.shape)}")
    labels = _zero_or_one(labels, weights)
    if way == RANKED:
        return metric(logits, labels, weights=weights)
    if way == PROBABLE:
        return metric(jax.nn.sigmoid(floats("logits", logits)), labels, weights=weights)
    if metric is balanced_accuracy:
        raise ValueError("metrics: balanced_accuracy has no definition for several labels a row")
    options = {} if metric is accuracy else {"average": "macro"}
    return _unless_nan(logits, weights, metric(_positive(logits), labels, weights=weights, **options))


def _of_steps(metric: Callable[..., Array], logits: Array, labels: Array, weights: Any) -> Array:
    """A metric of decided classes, of ordered ones: as many steps as were taken make the class."""
    classes = 2 if logits.ndim == 1 else logits.shape[1] + 1
    options: dict[str, Any] = {} if metric is accuracy else {"num_classes": classes}
    if metric in (precision, recall, f1):
        options["average"] = "macro"
    elif metric is accuracy:
        labels = _below(labels, classes)
    return _unless_nan(logits, weights, metric(steps_taken(logits), labels, weights=weights, **options))


def _positive(logits: Array) -> Array:
    return (logits > 0).astype(jnp.int32)


def _zero_or_one(labels: Array, weights: Any) -> Array:
    """-1/+1 as 0/1; what is neither, and -1 beside 0, becomes a fraction, which every metric of classes refuses."""
    w = None if weights is None else row_weights(weights, labels)
    found = codes("labels", labels)
    counts = True if w is None else (w != 0).reshape(w.shape + (1,) * (labels.ndim - 1))
    mixed = ((found.number == -1) & counts).any() & ((found.number == 0) & found.known & counts).any()
    known = found.known & (jnp.abs(found.number) <= 1) & ~(mixed & (found.number == -1))
    refuse("labels", labels, known, w, "0 and 1, or -1 and 1")
    return jnp.where(known, jnp.maximum(found.number, 0).astype(jnp.float32), 0.5)


def _below(labels: Array, classes: int) -> Array:
    """Labels that accuracy may compare: one beyond the classes becomes a fraction, which it refuses."""
    found = codes("labels", labels)
    return jnp.where(
        found.known & (found.number >= 0) & (found.number < classes), found.number.astype(jnp.float32), 0.5
    )


def _one_hot_rows(labels: Array) -> Array:
    """`[n]`: rows of one 1 and zeros."""
    return ((labels == 0) | (labels == 1)).all(axis=1) & ((labels == 1).sum(axis=1) == 1)


def _unless_nan(logits: Array, weights: Any, value: Array) -> Array:
    """`value`, and NaN where a row that has weight has a NaN: it decides for nothing."""
    return unless(~jnp.isnan(logits), None if weights is None else row_weights(weights, logits), value)


@cache
def for_labels(
    name: str, kind: str | None = None, outputs: str | None = None, quantiles: float | tuple[float, ...] = 0.5
) -> Hook:
    """The metric called `name` for labels of a kind, as a function of `(logits, labels, weights)`.

    Args:
      name: of `METRICS`.
      kind: what labels `[n, k]` mean: "distribution" (one-hot rows), "binary" or "sign" (several labels a row); None
        goes by the labels: rows that are all one-hot are classes, anything else is several labels. See
        `jaxbm.losses.LABELS`.
      outputs: what outputs mean, see `jaxbm.losses.OUTPUTS`; None for what the metric itself takes.
      quantiles: which ones, where they are quantiles.

    Raises:
      ValueError: a name is unknown.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> accuracy = jaxbm.metrics.for_labels("accuracy", "binary")
      >>> float(accuracy(jnp.asarray([[2.0, 1.0], [-1.0, 3.0]]), jnp.asarray([[1, 1], [0, 0]]), None))
      0.5
    """
    lookup("metric", name, WAYS)
    if kind is not None:
        lookup("kind", kind, LABELS)
    if outputs is not None:
        lookup("outputs", outputs, OUTPUTS)
    return Hook(name, kind, outputs, quantiles)


#: Functions of `(logits, labels, weights)`: binary logits `[n]` decide at 0, `[n, classes]` by the largest.
METRICS: dict[str, Hook] = {entry.name: for_labels(entry.name) for entry in TABLE}


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


def is_of_classes(name: str) -> bool:
    """Whether the metric called `name` compares classes, not numbers; ValueError where there is none of that name.

    Example:
      >>> from jaxbm.metrics.table import is_of_classes
      >>> is_of_classes("log_loss"), is_of_classes("mape")
      (True, False)
    """
    return lookup("metric", name, WAYS)[1] in (DECIDED, PROBABLE, RANKED)


def check_task(argument: str, name: str, task: str) -> None:
    """ValueError where the metric called `name` compares classes and the task is numbers, or the other way round."""
    if is_of_classes(name) == (task == "regression"):
        told = ("numbers", "a regression") if task == "regression" else ("classes", "a classification")
        known = [entry.name for entry in TABLE if is_of_classes(entry.name) != (task == "regression")]
        raise ValueError(f"{argument}: expected one of {told[0]} for {told[1]} ({', '.join(known)}), got {name!r}")


def metric(name: str) -> Hook:
    """The function of `(logits, labels, weights)` called `name`; ValueError with the nearest valid name.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.metric("accuracy")(jnp.asarray([2.0, -1.0]), jnp.asarray([1, 1]), None))
      0.5
    """
    return lookup("metric", name, METRICS)


def heeds_weights(function: Any) -> bool:
    """True for metrics of ours: rows of weight 0 have no influence on them, so such rows may be added."""
    return isinstance(function, Hook)
