"""Smoothed labels, and the weighted mean of losses."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.arrays import as_array, joined
from jaxbm.core.calls import helpful
from jaxbm.core.weights import scaled
from jaxbm.losses.arguments import floating, number


@helpful
def smooth_labels(labels: ArrayLike, alpha: ArrayLike) -> Array:
    """`(1 - alpha) * labels + alpha / classes` over the last axis.

    Raises:
      ValueError: labels are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> jaxbm.losses.smooth_labels(jnp.asarray([1.0, 0.0]), 0.5).tolist()
      [0.75, 0.25]

    Source: Mueller, Kornblith and Hinton, "When Does Label Smoothing Help?" (2019).
    """
    labels = floating("labels", labels)
    share = number("alpha", alpha, labels)
    return (1 - share) * labels + share / labels.shape[-1]


@helpful
def mean(values: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """`sum(weights * values) / sum(weights)`, in at least float32; 0 where all weights are zero.

    A value of weight zero has no influence, even if it is NaN. Weights may be of any size.

    Args:
      values: `[n]`.
      weights: nonnegative `[n]`.

    Raises:
      ValueError: the shapes differ.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.mean(jnp.asarray([1.0, 5.0]), jnp.asarray([3.0, 1.0])))
      2.0
    """
    values = floating("values", values)
    wide = values.astype(joined(values.dtype, jnp.float32))
    if weights is None:
        return wide.mean().astype(values.dtype)
    given = as_array("weights", weights)
    if given.shape != values.shape:
        raise ValueError(f"weights: expected the values' shape {list(values.shape)}, got {list(given.shape)}")
    weights = scaled(given, wide.dtype)
    total = weights.sum()
    kept = jnp.where(weights == 0, 0, wide)
    return ((weights * kept).sum() / jnp.where(total == 0, 1, total)).astype(values.dtype)
