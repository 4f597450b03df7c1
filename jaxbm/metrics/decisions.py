"""Metrics of decided classes."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.names import unknown
from jaxbm.metrics.arguments import classes_of, divide

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
    predictions, labels, w = classes_of(predictions, labels, weights)
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
    predictions, labels, w = classes_of(predictions, labels, weights)
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
    return jnp.where(present, divide(jnp.diagonal(matrix), support), 0).sum() / present.sum()


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
    return _averaged(matrix, average, lambda hit, predicted, actual: divide(hit, predicted))


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
    return _averaged(matrix, average, lambda hit, predicted, actual: divide(hit, actual))


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
    return _averaged(matrix, average, lambda hit, predicted, actual: divide(2 * hit, predicted + actual))


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
    return divide((each * weight).sum(), weight.sum())
