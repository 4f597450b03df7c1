"""Metrics of probabilities."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.metrics.arguments import row_weights, same_rows, weighted_mean


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
    same_rows("probabilities", p, labels)
    eps = jnp.finfo(p.dtype).eps
    y = jnp.asarray(labels, jnp.int32)
    if p.ndim == 1:
        right = jnp.where(y == 1, p, 1 - p)
        return weighted_mean(-jnp.log(jnp.clip(right, eps, 1)), weights)
    p = jnp.clip(p, eps, 1)
    p = p / p.sum(axis=1, keepdims=True)
    return weighted_mean(-jnp.log(jnp.take_along_axis(p, y[:, None], 1)[:, 0]), weights)


def brier_score(probabilities: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean squared difference between probability and outcome.

    For `[n, classes]` the squares are summed over classes (Brier's original definition, in `[0, 2]`).

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.brier_score(jnp.asarray([0.1, 0.8]), jnp.asarray([0, 1]))), 4)
      0.025
    """
    p = jnp.asarray(probabilities)
    same_rows("probabilities", p, labels)
    y = jnp.asarray(labels, jnp.int32)
    if p.ndim == 1:
        return weighted_mean(jnp.square(p - y), weights)
    return weighted_mean(jnp.square(p - jax.nn.one_hot(y, p.shape[1])).sum(axis=1), weights)


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
    same_rows("probabilities", p, labels)
    y = jnp.asarray(labels, jnp.int32)
    confidence, hit = (p, y == 1) if p.ndim == 1 else (p.max(axis=1), p.argmax(axis=1) == y)
    w = row_weights(weights, confidence)
    index = jnp.clip((confidence * bins).astype(jnp.int32), 0, bins - 1)
    gap = jnp.zeros(bins).at[index].add(w * (confidence - hit))
    return jnp.abs(gap).sum() / w.sum()
