"""Metrics of decided classes: of class numbers `[n]`, or of several labels a row, 0 or 1, `[n, k]`.

A number that is no class - 2 where there are two, a fraction, NaN - is a ValueError; under a transformation, where
values can't be looked at, it makes the metric NaN. Rows of weight 0 may hold anything.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.core.checks import positive_int
from jaxbm.core.counts import by_class
from jaxbm.core.names import lookup
from jaxbm.metrics.arguments import codes, divide, if_any, real, refuse, row_weights, unless

AVERAGES = ("binary", "macro", "micro", "weighted")


@helpful
def accuracy(predictions: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Fraction of predictions that equal their labels.

    Args:
      predictions, labels: class numbers `[n]`; or 0 and 1 `[n, k]`, where a row is right when all its labels are.
      weights: `[n]`, nonnegative.

    Returns:
      A float32 scalar; NaN when all weights are zero.

    Raises:
      ValueError: shapes differ, or a value is no class number.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.accuracy(jnp.asarray([0, 1, 1, 0]), jnp.asarray([0, 1, 0, 0])))
      0.75
    """
    ours, theirs, good, w = _rows(predictions, labels, weights)
    right = ours == theirs if ours.ndim == 1 else (ours == theirs).all(axis=1)
    return unless(good, w, jnp.where(right, w, 0).sum() / w.sum())


@helpful
def confusion_matrix(
    predictions: ArrayLike, labels: ArrayLike, *, num_classes: int, weights: ArrayLike | None = None
) -> Array:
    """`[label, prediction]`: the total weight of each combination.

    Args:
      predictions, labels: class numbers `[n]`, from 0 to `num_classes - 1`.
      num_classes: how many classes; fixes the shape.
      weights: `[n]`, nonnegative; without, rows are counted, exactly up to 2**24 and to rounding beyond.

    Returns:
      float32 `[num_classes, num_classes]`.

    Raises:
      ValueError: shapes differ, or a value is no class.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> a, b = jnp.asarray([0, 1, 1]), jnp.asarray([0, 0, 1])
      >>> jaxbm.metrics.confusion_matrix(a, b, num_classes=2).tolist()
      [[1.0, 1.0], [0.0, 1.0]]
    """
    return _matrix(predictions, labels, num_classes, weights, scale=False)


@helpful
def balanced_accuracy(
    predictions: ArrayLike, labels: ArrayLike, *, num_classes: int = 2, weights: ArrayLike | None = None
) -> Array:
    """Mean recall over the classes that occur among the labels; arguments as for `confusion_matrix`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.balanced_accuracy(jnp.asarray([0, 0, 1, 0]), jnp.asarray([0, 0, 1, 1])))
      0.75
    """
    matrix = _matrix(predictions, labels, num_classes, weights)
    support = matrix.sum(axis=1)
    present = support > 0
    return jnp.where(present, divide(jnp.diagonal(matrix), support), 0).sum() / present.sum(dtype=matrix.dtype)


@helpful
def precision(
    predictions: ArrayLike,
    labels: ArrayLike,
    *,
    average: str = "binary",
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Array:
    """True positives over predicted positives; 0 where nothing is predicted positive, NaN where no row has weight.

    Args:
      predictions, labels: class numbers `[n]`, from 0 to `num_classes - 1`; or several labels a row, 0 or 1 `[n, k]`
      average: "binary" (of class 1 of two, not for `[n, k]`), "macro" (mean over the classes that occur among labels
        or predictions, over all columns of `[n, k]`, as scikit-learn takes it), "micro" (of all classes' counts) or
        "weighted" (by the classes' weight).
      num_classes: how many classes; not needed for `[n, k]`.
      weights: `[n]`, nonnegative.

    Raises:
      ValueError: shapes differ, a value is no class, or `average` is unknown.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.precision(jnp.asarray([1, 1, 0]), jnp.asarray([1, 0, 1])))
      0.5
    """
    tallies = _tallies(predictions, labels, average, num_classes, weights)
    return _averaged(tallies, average, lambda hit, predicted, actual: divide(hit, predicted))


@helpful
def recall(
    predictions: ArrayLike,
    labels: ArrayLike,
    *,
    average: str = "binary",
    num_classes: int = 2,
    weights: ArrayLike | None = None,
) -> Array:
    """True positives over actual positives; 0 where there are none, NaN where no row has weight. Arguments as for
    `precision`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.recall(jnp.asarray([1, 1, 0]), jnp.asarray([1, 0, 1])))
      0.5
    """
    tallies = _tallies(predictions, labels, average, num_classes, weights)
    return _averaged(tallies, average, lambda hit, predicted, actual: divide(hit, actual))


@helpful
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
    tallies = _tallies(predictions, labels, average, num_classes, weights)
    return _averaged(tallies, average, lambda hit, predicted, actual: divide(2 * hit, predicted + actual))


class _Tallies(NamedTuple):
    """Of each class `[k]`: the weight predicted rightly, predicted, actual, and 1 where it takes part in a mean."""

    hit: Array
    predicted: Array
    actual: Array
    present: Array
    counted: Array
    """the weight of all rows"""


def _tallies(
    predictions: ArrayLike, labels: ArrayLike, average: str, num_classes: int, weights: ArrayLike | None
) -> _Tallies:
    lookup("average", average, dict.fromkeys(AVERAGES))
    num_classes = positive_int("num_classes", num_classes)
    several = np.ndim(predictions) == 2 and np.shape(predictions)[1] != 1
    if average == "binary" and (several or num_classes != 2):
        what = "several labels a row" if several else f"{num_classes} classes"
        raise ValueError(f"average: expected 'macro', 'micro' or 'weighted' for {what}, got 'binary'")
    if several:
        ours, theirs, good, w = _rows(predictions, labels, weights)
        w = unless(good, w, w)[:, None]
        marks = ((ours == 1) & (theirs == 1), ours == 1, theirs == 1)
        hit, predicted, actual = (jnp.where(marked, w, 0).sum(axis=0) for marked in marks)
        return _Tallies(hit, predicted, actual, jnp.ones_like(actual), w.sum())
    matrix = _matrix(predictions, labels, num_classes, weights)
    predicted, actual = matrix.sum(axis=0), matrix.sum(axis=1)
    present = (predicted + actual != 0).astype(actual.dtype)
    return _Tallies(jnp.diagonal(matrix), predicted, actual, present, actual.sum())


def _averaged(tallies: _Tallies, average: str, formula: Callable[[Array, Array, Array], Array]) -> Array:
    hit, predicted, actual, present, counted = tallies
    if average == "micro":
        return if_any(counted, formula(hit.sum(), predicted.sum(), actual.sum()))
    each = formula(hit, predicted, actual)
    if average == "binary":
        return if_any(counted, each[1])
    share = actual if average == "weighted" else present
    return if_any(counted, divide((each * share).sum(), share.sum()))


def _rows(predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array, Array, Array]:
    """Class numbers of predictions and of labels, where both are, and weights."""
    first, second = real("predictions", predictions), real("labels", labels)
    if first.ndim not in (1, 2) or first.shape != second.shape:
        raise ValueError(
            f"labels: expected shape [n] like the predictions, got {list(second.shape)} against {list(first.shape)}"
        )
    if first.shape[1:] == (1,):
        first, second = first[:, 0], second[:, 0]
    given = None if weights is None else row_weights(weights, first)
    ours, theirs = codes("predictions", first), codes("labels", second)
    expected = "class numbers"
    if first.ndim == 2:
        expected = "0 or 1 of several labels a row"
        ours, theirs = (c._replace(known=c.known & (c.number >= 0) & (c.number <= 1)) for c in (ours, theirs))
    refuse("predictions", first, ours.known, given, expected)
    refuse("labels", second, theirs.known, given, expected)
    w = row_weights(None, first) if given is None else given
    return ours.number, theirs.number, ours.known & theirs.known, w


def _matrix(
    predictions: ArrayLike, labels: ArrayLike, num_classes: int, weights: ArrayLike | None, *, scale: bool = True
) -> Array:
    first, second = real("predictions", predictions), real("labels", labels)
    if first.shape[1:] == (1,) and first.shape == second.shape:
        first, second = first[:, 0], second[:, 0]
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            f"labels: expected shape [n] like the predictions, got {list(second.shape)} against {list(first.shape)}"
        )
    k = positive_int("num_classes", num_classes)
    w = None if weights is None else row_weights(weights, first, scale=scale)
    ours, theirs = (
        c._replace(known=c.known & (c.number >= 0) & (c.number < k))
        for c in (codes("predictions", first), codes("labels", second))
    )
    expected = f"classes 0 to {k - 1} (num_classes={k})"
    refuse("predictions", first, ours.known, w, expected)
    refuse("labels", second, theirs.known, w, expected)
    good = ours.known & theirs.known
    place = jnp.where(good, theirs.number * k + ours.number, 0)
    counted = None if w is None else jnp.where(good, w, 0)
    return unless(good, w, by_class(place, counted, k * k).reshape(k, k))
