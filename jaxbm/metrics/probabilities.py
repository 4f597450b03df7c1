"""Metrics of probabilities.

Labels are class numbers. One that is no class is a ValueError, as is a probability outside [0, 1]; where values can't
be looked at, under a transformation, such a label makes the metric NaN. Rows of weight 0 may hold anything. Rows of
several classes that don't sum to 1 are judged as they are, as in scikit-learn, with a warning.
"""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.core.checks import is_traced, positive_int
from jaxbm.core.counts import by_class
from jaxbm.metrics.arguments import (
    Codes,
    codes,
    floats,
    of_columns,
    real,
    refuse,
    row_weights,
    same_rows,
    unless,
    weighted_mean,
)

SLACK = 1e-3
"""How far rounding, in the narrowest types, may take a probability out of [0, 1]."""


@helpful
def log_loss(probabilities: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean negative log-probability of the labels; probabilities are kept a rounding error away from 0 and 1.

    Args:
      probabilities: of class 1 `[n]` or `[n, 1]`, of all classes `[n, classes]`, or of each of several labels
        `[n, k]`.
      labels: class numbers `[n]`, 0 and 1 (or -1 and 1) of two; or 0 and 1 `[n, k]`, several labels a row, over which
        the mean is taken, too.
      weights: `[n]`, nonnegative.

    Raises:
      ValueError: shapes don't fit, a label is no class, or a probability is outside [0, 1].

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.log_loss(jnp.asarray([0.5, 0.5]), jnp.asarray([0, 1]))), 4)
      0.6931
    """
    given = real("probabilities", probabilities)
    p, y, good = _outcomes(given, labels, weights)
    eps = float(jnp.finfo(given.dtype if jnp.issubdtype(given.dtype, jnp.floating) else p.dtype).eps)
    if p.ndim == y.ndim:
        right = jnp.where(y == 1, p, 1 - p)
        each = -jnp.log(jnp.clip(right, eps, 1))
        each = each.mean(axis=1) if each.ndim == 2 else each
    else:
        right = jnp.take_along_axis(p, y[:, None], 1, mode="clip")[:, 0]
        each = -jnp.log(jnp.clip(right, eps, 1))
    return unless(good, _given(weights, p), weighted_mean(each, weights))


@helpful
def brier_score(probabilities: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean squared difference between probability and outcome.

    For `[n, classes]` and class numbers the squares are summed over classes (Brier's original definition, in
    `[0, 2]`), for several labels a row the mean is taken over them. Arguments and errors as for `log_loss`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.brier_score(jnp.asarray([0.1, 0.8]), jnp.asarray([0, 1]))), 4)
      0.025
    """
    p, y, good = _outcomes(real("probabilities", probabilities), labels, weights)
    if p.ndim == y.ndim:
        each = jnp.square(p - y.astype(p.dtype))
        each = each.mean(axis=1) if each.ndim == 2 else each
    else:
        each = jnp.square(p - jax.nn.one_hot(y, p.shape[1], dtype=p.dtype)).sum(axis=1)
    return unless(good, _given(weights, p), weighted_mean(each, weights))


@helpful
def calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15, weights: ArrayLike | None = None
) -> Array:
    """Expected calibration error: mean over equal-width bins of |mean confidence - accuracy|, by their weight.

    Args:
      probabilities: of class 1 `[n]` (binned as they are), or `[n, classes]` (the largest is binned); for several
        labels a row the mean over them.
      labels, weights: as for `log_loss`.
      bins: how many bins between 0 and 1.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.calibration_error(jnp.asarray([0.9, 0.9]), jnp.asarray([1, 0]))), 4)
      0.4

    Source: Naeini, Cooper and Hauskrecht (2015); Guo et al. (2017).
    """
    bins = positive_int("bins", bins)
    p, y, good = _outcomes(real("probabilities", probabilities), labels, weights)
    w = row_weights(weights, p)

    def gap(confidence: Array, hit: Array) -> Array:
        # A row of weight 0 may be NaN, which would go into a bin's sum all the same.
        confidence = jnp.where(w == 0, 0, confidence)
        index = jnp.clip((confidence * bins).astype(jnp.int32), 0, bins - 1)
        gaps = by_class(index, w * (confidence - hit.astype(confidence.dtype)), bins)
        return jnp.abs(gaps).sum() / w.sum()

    if p.ndim == 1:
        value = gap(p, y == 1)
    elif y.ndim == 1:
        value = gap(p.max(axis=1), p.argmax(axis=1).astype(jnp.int32) == y)
    else:
        value = of_columns(gap, p, y == 1)
    return unless(good, w, value)


def _outcomes(given: Array, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Probabilities in at least float32, labels as int32 with 0 where there is none, and where there is one."""
    p, labels = same_rows("probabilities", floats("probabilities", given), labels)
    w = _given(weights, p)
    refuse("probabilities", p, (p >= -SLACK) & (p <= 1 + SLACK) | jnp.isnan(p), w, "probabilities from 0 to 1")
    found = codes("labels", labels)
    classes = p.shape[1] if p.ndim == 2 and labels.ndim == 1 else None
    if classes is None:
        found = Codes(jnp.maximum(found.number, 0), found.known & (jnp.abs(found.number) <= 1))
        expected = "0 or 1 (or -1 or 1)"
    else:
        found = found._replace(known=found.known & (found.number >= 0) & (found.number < classes))
        expected = f"classes 0 to {classes - 1}"
        _warn_of_sums(p, w, given.dtype)
    refuse("labels", labels, found.known, w, expected)
    return p, jnp.where(found.known, found.number, 0), found.known


def _warn_of_sums(p: Array, weights: Array | None, given: Any) -> None:
    """A warning where concrete probabilities of the classes don't add up to one; as they are, they are judged."""
    if is_traced(p, weights):
        return
    sums = np.asarray(jax.device_get(p)).astype(np.float64).sum(axis=1)
    eps = float(jnp.finfo(given).eps) if jnp.issubdtype(given, jnp.floating) else 0.0
    far = np.abs(sums - 1) > max(1e-3, eps**0.5)
    if weights is not None:
        far &= np.asarray(jax.device_get(weights)) != 0
    if far.any():
        first = int(np.argmax(far))
        warnings.warn(
            f"probabilities: expected rows that sum to 1, got {sums[first]:.4g} at [{first}] ({far.sum()} in all)",
            stacklevel=4,
        )


def _given(weights: ArrayLike | None, like: Array) -> Array | None:
    return None if weights is None else row_weights(weights, like)
