"""Metrics of real numbers."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.metrics.arguments import error_of, per_row, row_weights, same_shape, weighted_mean


@helpful
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
    error = error_of(predictions, targets)
    return weighted_mean(per_row(jnp.square(error)), weights)


@helpful
def rmse(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Square root of the mean squared error, averaged over outputs as scikit-learn does; as for `mse`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.rmse(jnp.asarray([3.0, 1.0]), jnp.asarray([1.0, 3.0])))
      2.0
    """
    squares = jnp.square(error_of(predictions, targets))
    columns = squares[:, None] if squares.ndim == 1 else squares
    return jnp.sqrt(jax.vmap(lambda c: weighted_mean(c, weights), 1)(columns)).mean()


@helpful
def mae(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean absolute error over examples and outputs; as for `mse`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.mae(jnp.asarray([3.0, 1.0]), jnp.asarray([2.5, 1.0])))
      0.25
    """
    return weighted_mean(per_row(jnp.abs(error_of(predictions, targets))), weights)


@helpful
def mape(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean of `abs(prediction - target) / abs(target)` over examples and outputs; as for `mse`.

    1 is a hundred percent. As in scikit-learn, a target of 0 counts as the dtype's smallest step from 1, which makes
    its error enormous.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.mape(jnp.asarray([3.0, 1.0]), jnp.asarray([2.0, 1.0])))
      0.25
    """
    first, second = same_shape(predictions, targets)
    least = jnp.finfo(second.dtype).eps
    return weighted_mean(per_row(jnp.abs(first - second) / jnp.maximum(jnp.abs(second), least)), weights)


@helpful
def r2(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """`1 - residual / total` sum of squares, averaged over outputs; as for `mse`.

    Constant targets give 1 for perfect predictions and 0 for others, less than two rows that have weight NaN, as in
    scikit-learn.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.r2(jnp.asarray([1.0, 2.0, 3.0]), jnp.asarray([1.0, 2.0, 3.0])))
      1.0
    """
    first, second = same_shape(predictions, targets)
    error, targets = first - second, second

    def column(e: Array, t: Array) -> Array:
        w = row_weights(weights, e)
        e, t = e.astype(w.dtype), t.astype(w.dtype)
        # From a target of theirs: the mean of equal numbers, rounded, may be another, and so the total not 0.
        one = t[(w > 0).argmax()] if len(t) else 0
        e, t = jnp.where(w > 0, e, 0), jnp.where(w > 0, t - one, 0)
        center = (w * t).sum() / w.sum()
        residual, total = (w * e * e).sum(), (w * jnp.square(t - center)).sum()
        constant = jnp.where(residual == 0, 1.0, 0.0)
        value = jnp.where(total == 0, constant, 1 - residual / jnp.where(total == 0, 1, total))
        return jnp.where((w > 0).sum() > 1, value, jnp.nan)

    if error.ndim == 1:
        return column(error, targets)
    return jax.vmap(column, 1)(error, targets).mean()
