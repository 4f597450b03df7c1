"""Metrics: pure, jit-able, weighted; they agree with scikit-learn.

Predictions are class numbers or scores, labels are class numbers; `weights` are nonnegative and one per example,
and an example of weight zero has no influence. Where scikit-learn has no answer (one class only for ROC AUC) the
result is NaN; where it answers 0 with a warning (precision without positive predictions) the result is 0.
`METRICS` holds the same as functions of `(logits, labels, weights)`, which is what `fit` and `evaluate` take by name.

Source of the definitions: Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), and for
the rank form of AUC Hanley and McNeil (1982).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core.names import lookup, unknown

AVERAGES = ("binary", "macro", "micro", "weighted")


def accuracy(predictions: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Fraction of predictions that equal their labels.

    Args:
      predictions, labels: class numbers `[n]`.
      weights: `[n]`, nonnegative.

    Returns:
      A float32 scalar; NaN when all weights are zero.

    Raises:
      ValueError: shapes differ.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.accuracy(jnp.asarray([0, 1, 1, 0]), jnp.asarray([0, 1, 0, 0])))
      0.75
    """
    predictions, labels, w = _classes(predictions, labels, weights)
    return jnp.where(predictions == labels, w, 0).sum() / w.sum()


def confusion_matrix(
    predictions: ArrayLike, labels: ArrayLike, *, num_classes: int, weights: ArrayLike | None = None
) -> Array:
    """`[label, prediction]`: the total weight of each combination.

    Args:
      num_classes: how many classes; fixes the shape. The rest as for `accuracy`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> a, b = jnp.asarray([0, 1, 1]), jnp.asarray([0, 0, 1])
      >>> jaxbm.metrics.confusion_matrix(a, b, num_classes=2).tolist()
      [[1.0, 1.0], [0.0, 1.0]]
    """
    predictions, labels, w = _classes(predictions, labels, weights)
    return jnp.zeros((num_classes, num_classes)).at[labels, predictions].add(w)


def balanced_accuracy(
    predictions: ArrayLike, labels: ArrayLike, *, num_classes: int = 2, weights: ArrayLike | None = None
) -> Array:
    """Mean recall over the classes that occur among the labels; arguments as for `confusion_matrix`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.balanced_accuracy(jnp.asarray([0, 0, 1, 0]), jnp.asarray([0, 0, 1, 1])))
      0.75
    """
    matrix = confusion_matrix(predictions, labels, num_classes=num_classes, weights=weights)
    support = matrix.sum(axis=1)
    present = support > 0
    return jnp.where(present, _divide(jnp.diagonal(matrix), support), 0).sum() / present.sum()


def precision(
    predictions: ArrayLike,
    labels: ArrayLike,
    *,
    average: str = "binary",
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Array:
    """True positives over predicted positives; 0 where nothing is predicted positive.

    Args:
      average: "binary" (of class 1), "macro" (mean over the classes that occur among labels or predictions, as
        scikit-learn takes it), "micro" (of all classes' counts) or "weighted" (by the classes' weight).
      The rest as for `confusion_matrix`.

    Raises:
      ValueError: shapes differ or `average` is unknown.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.precision(jnp.asarray([1, 1, 0]), jnp.asarray([1, 0, 1])))
      0.5
    """
    matrix = confusion_matrix(predictions, labels, num_classes=num_classes, weights=weights)
    return _averaged(matrix, average, lambda hit, predicted, actual: _divide(hit, predicted))


def recall(
    predictions: ArrayLike,
    labels: ArrayLike,
    *,
    average: str = "binary",
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Array:
    """True positives over actual positives; 0 where there are none. Arguments as for `precision`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.recall(jnp.asarray([1, 1, 0]), jnp.asarray([1, 0, 1])))
      0.5
    """
    matrix = confusion_matrix(predictions, labels, num_classes=num_classes, weights=weights)
    return _averaged(matrix, average, lambda hit, predicted, actual: _divide(hit, actual))


def f1(
    predictions: ArrayLike,
    labels: ArrayLike,
    *,
    average: str = "binary",
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Array:
    """`2 * tp / (2 * tp + fp + fn)`; 0 where that is 0 / 0. Arguments as for `precision`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.f1(jnp.asarray([1, 1, 0]), jnp.asarray([1, 0, 1])))
      0.5
    """
    matrix = confusion_matrix(predictions, labels, num_classes=num_classes, weights=weights)
    return _averaged(matrix, average, lambda hit, predicted, actual: _divide(2 * hit, predicted + actual))


def roc_auc(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Area under the ROC curve, exact with ties (each counts half); NaN when only one class has weight.

    Args:
      scores: `[n]` for labels 0 and 1, or `[n, classes]`: then the mean of each class against the rest.
      labels: class numbers `[n]`.
      weights: `[n]`, nonnegative.

    Raises:
      ValueError: shapes don't fit.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.roc_auc(jnp.asarray([0.1, 0.4, 0.35, 0.8]), jnp.asarray([0, 0, 1, 1])))
      0.75
    """
    scores = jnp.asarray(scores)
    if scores.ndim == 2:
        labels = jnp.asarray(labels)
        classes = jnp.arange(scores.shape[1])
        each = jax.vmap(lambda s, c: roc_auc(s, labels == c, weights=weights), (1, 0))(scores, classes)
        return each.mean()
    pos, neg = _by_score(scores, labels, weights)
    pairs = (pos * (jnp.cumsum(neg) - neg / 2)).sum()
    return pairs / (pos.sum() * neg.sum())


def average_precision(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """`sum((recall_k - recall_(k-1)) * precision_k)` over the thresholds; 0 without positive labels.

    Arguments as for the binary `roc_auc`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> scores, labels = jnp.asarray([0.1, 0.4, 0.35, 0.8]), jnp.asarray([0, 0, 1, 1])
      >>> round(float(jaxbm.metrics.average_precision(scores, labels)), 4)
      0.8333
    """
    pos, neg = _by_score(scores, labels, weights)
    # At each score as the threshold, everything not below it is predicted positive.
    hits, chosen = (jnp.cumsum(w[::-1])[::-1] for w in (pos, pos + neg))
    return _divide((pos * _divide(hits, chosen)).sum(), pos.sum())


def log_loss(probabilities: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean negative log-probability of the labels; probabilities are kept a rounding error away from 0 and 1.

    Args:
      probabilities: of class 1 `[n]`, or of all classes `[n, classes]`.
      labels, weights: as for `accuracy`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.log_loss(jnp.asarray([0.5, 0.5]), jnp.asarray([0, 1]))), 4)
      0.6931
    """
    p = jnp.asarray(probabilities)
    _same_rows("probabilities", p, labels)
    eps = jnp.finfo(p.dtype).eps
    y = jnp.asarray(labels, jnp.int32)
    if p.ndim == 1:
        right = jnp.where(y == 1, p, 1 - p)
        return _mean(-jnp.log(jnp.clip(right, eps, 1)), weights)
    p = jnp.clip(p, eps, 1)
    p = p / p.sum(axis=1, keepdims=True)
    return _mean(-jnp.log(jnp.take_along_axis(p, y[:, None], 1)[:, 0]), weights)


def brier_score(probabilities: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean squared difference between probability and outcome.

    For `[n, classes]` the squares are summed over classes (Brier's original definition, in `[0, 2]`).

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.brier_score(jnp.asarray([0.1, 0.8]), jnp.asarray([0, 1]))), 4)
      0.025
    """
    p = jnp.asarray(probabilities)
    _same_rows("probabilities", p, labels)
    y = jnp.asarray(labels, jnp.int32)
    if p.ndim == 1:
        return _mean(jnp.square(p - y), weights)
    return _mean(jnp.square(p - jax.nn.one_hot(y, p.shape[1])).sum(axis=1), weights)


def calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15, weights: ArrayLike | None = None
) -> Array:
    """Expected calibration error: mean over equal-width bins of |mean confidence - accuracy|, by their weight.

    Args:
      probabilities: of class 1 `[n]` (binned as they are), or `[n, classes]` (the largest is binned).
      bins: how many bins between 0 and 1.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.calibration_error(jnp.asarray([0.9, 0.9]), jnp.asarray([1, 0]))), 4)
      0.4

    Source: Naeini, Cooper and Hauskrecht (2015); Guo et al. (2017).
    """
    p = jnp.asarray(probabilities)
    _same_rows("probabilities", p, labels)
    y = jnp.asarray(labels, jnp.int32)
    confidence, hit = (p, y == 1) if p.ndim == 1 else (p.max(axis=1), p.argmax(axis=1) == y)
    w = _weights(weights, confidence)
    index = jnp.clip((confidence * bins).astype(jnp.int32), 0, bins - 1)
    gap = jnp.zeros(bins).at[index].add(w * (confidence - hit))
    return jnp.abs(gap).sum() / w.sum()


def mse(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean squared error over examples and outputs.

    Args:
      predictions, targets: `[n]` or `[n, k]`, of one shape.
      weights: `[n]`, nonnegative.

    Raises:
      ValueError: shapes differ.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.mse(jnp.asarray([3.0, 1.0]), jnp.asarray([2.5, 1.0])))
      0.125
    """
    error = _error(predictions, targets)
    return _mean(_per_row(jnp.square(error)), weights)


def rmse(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Square root of the mean squared error, averaged over outputs as scikit-learn does; as for `mse`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.rmse(jnp.asarray([3.0, 1.0]), jnp.asarray([1.0, 3.0])))
      2.0
    """
    squares = jnp.square(_error(predictions, targets))
    columns = squares[:, None] if squares.ndim == 1 else squares
    return jnp.sqrt(jax.vmap(lambda c: _mean(c, weights), 1)(columns)).mean()


def mae(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean absolute error over examples and outputs; as for `mse`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.mae(jnp.asarray([3.0, 1.0]), jnp.asarray([2.5, 1.0])))
      0.25
    """
    return _mean(_per_row(jnp.abs(_error(predictions, targets))), weights)


def r2(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """`1 - residual / total` sum of squares, averaged over outputs; as for `mse`.

    Constant targets give 1 for perfect predictions and 0 for others, as in scikit-learn.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.r2(jnp.asarray([1.0, 2.0, 3.0]), jnp.asarray([1.0, 2.0, 3.0])))
      1.0
    """
    error, targets = _error(predictions, targets), jnp.asarray(targets)

    def column(e: Array, t: Array) -> Array:
        w = _weights(weights, e)
        e, t = jnp.where(w > 0, e, 0), jnp.where(w > 0, t, 0)
        center = (w * t).sum() / w.sum()
        residual, total = (w * e * e).sum(), (w * jnp.square(t - center)).sum()
        constant = jnp.where(residual == 0, 1.0, 0.0)
        return jnp.where(total == 0, constant, 1 - residual / jnp.where(total == 0, 1, total))

    if error.ndim == 1:
        return column(error, targets)
    return jax.vmap(column, 1)(error, targets).mean()


def _weights(weights: ArrayLike | None, like: Array) -> Array:
    if weights is None:
        return jnp.ones(like.shape[0], jnp.float32)
    w = jnp.asarray(weights)
    w = w if jnp.issubdtype(w.dtype, jnp.floating) else w.astype(jnp.float32)
    if w.shape != like.shape[:1]:
        raise ValueError(f"weights: expected shape [{like.shape[0]}], got {list(w.shape)}")
    return w


def _mean(values: Array, weights: ArrayLike | None) -> Array:
    w = _weights(weights, values)
    return jnp.where(w == 0, 0, values * w).sum() / w.sum()


def _divide(a: Array, b: Array) -> Array:
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))


def _classes(predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array, Array]:
    predictions, labels = jnp.asarray(predictions), jnp.asarray(labels)
    if predictions.ndim != 1 or predictions.shape != labels.shape:
        raise ValueError(
            f"labels: expected shape [n] like the predictions, got {list(labels.shape)} "
            f"against {list(predictions.shape)}"
        )
    return predictions.astype(jnp.int32), labels.astype(jnp.int32), _weights(weights, predictions)


def _same_rows(name: str, scores: Array, labels: ArrayLike) -> None:
    shape = jnp.shape(labels)
    if scores.ndim not in (1, 2) or shape != scores.shape[:1]:
        raise ValueError(f"labels: expected shape [n] like the {name} {list(scores.shape)}, got {list(shape)}")


def _error(predictions: ArrayLike, targets: ArrayLike) -> Array:
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    if predictions.shape != targets.shape or predictions.ndim not in (1, 2):
        raise ValueError(
            f"targets: expected the predictions' shape {list(predictions.shape)}, [n] or [n, k], "
            f"got {list(targets.shape)}"
        )
    return predictions - targets


def _per_row(values: Array) -> Array:
    return values.mean(axis=1) if values.ndim == 2 else values


def _averaged(matrix: Array, average: str, formula: Callable[[Array, Array, Array], Array]) -> Array:
    if average not in AVERAGES:
        raise unknown("average", average, AVERAGES)
    hit, predicted, actual = jnp.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    if average == "micro":
        return formula(hit.sum(), predicted.sum(), actual.sum())
    each = formula(hit, predicted, actual)
    if average == "binary":
        return each[1]
    weight = actual if average == "weighted" else ((predicted + actual) > 0).astype(actual.dtype)
    return _divide((each * weight).sum(), weight.sum())


def _by_score(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array]:
    """Weights of positive and of negative examples, summed by score: `[n]` each, scores ascending, gaps zero."""
    scores = jnp.asarray(scores)
    _same_rows("scores", scores, labels)
    keys = _sortable(scores)
    # On a CPU, XLA sorts one array of integers several times faster than floats or pairs. So no order is carried
    # along: the weights go to the place where their own score begins in the sorted array.
    place = jnp.searchsorted(lax.sort(keys, is_stable=False), keys)
    positive, w = jnp.asarray(labels) == 1, _weights(weights, scores)
    pos, neg = (jnp.zeros_like(w).at[place].add(jnp.where(mine, w, 0)) for mine in (positive, ~positive))
    return pos, neg


def _sortable(scores: Array) -> Array:
    """Integers in the order of `scores`: equal where they are, both zeros alike, NaN above everything."""
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        return scores.astype(jnp.int32) if scores.dtype == bool else scores
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    scores = jnp.where(scores == 0, 0, jnp.where(jnp.isnan(scores), jnp.nan, scores))
    bits = lax.bitcast_convert_type(scores, jnp.int32 if scores.dtype.itemsize == 4 else jnp.int64)
    # A float's bits read as an integer ascend with it where it is positive and descend where it is negative.
    return jnp.where(bits < 0, bits ^ jnp.iinfo(bits.dtype).max, bits)


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
