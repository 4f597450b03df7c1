"""Metrics of counts, amounts, quantiles and predicted distributions."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm import losses
from jaxbm.core.calls import helpful
from jaxbm.metrics.arguments import floats, per_row, refuse, row_weights, same_shape, unless, weighted_mean


@helpful
def poisson_deviance(means: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean Poisson deviance, `2 * (y * log(y / mean) - y + mean)`, over examples and outputs.

    Args:
      means: positive `[n]` or `[n, k]`.
      targets: not negative, of the same shape.
      weights: `[n]`, nonnegative.

    Returns:
      A number: 0 at best; NaN where values can't be looked at and one of a row that has weight is out of range.

    Raises:
      ValueError: shapes differ, or a concrete value of a row that has weight is out of range.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.poisson_deviance(jnp.asarray([2.0, 1.0]), jnp.asarray([1.0, 1.0]))), 4)
      0.3069

    Source: McCullagh and Nelder, "Generalized Linear Models" (1989), section 2.3.
    """
    return _deviance(losses.poisson_deviance, means, targets, weights, can_be_zero=True)


@helpful
def gamma_deviance(means: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean Gamma deviance, `2 * (log(mean / y) + y / mean - 1)`; targets positive, else as for `poisson_deviance`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.gamma_deviance(jnp.asarray([2.0, 1.0]), jnp.asarray([1.0, 1.0]))), 4)
      0.1931

    Source: McCullagh and Nelder (1989), section 2.3.
    """
    return _deviance(losses.gamma_deviance, means, targets, weights, can_be_zero=False)


@helpful
def pinball(
    predictions: ArrayLike, targets: ArrayLike, *, quantiles: ArrayLike = 0.5, weights: ArrayLike | None = None
) -> Array:
    """Mean pinball loss over examples, quantiles and outputs; shapes and errors as for `jaxbm.losses.pinball_loss`.

    Args:
      predictions, targets, quantiles: as for `jaxbm.losses.pinball_loss`, with the rows first.
      weights: `[n]`, nonnegative.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.pinball(jnp.asarray([1.0, 1.0]), jnp.asarray([3.0, 1.0]), quantiles=0.25))
      0.25

    Source: Koenker and Bassett, "Regression Quantiles" (1978).
    """
    targets = floats("targets", targets)
    if not targets.ndim:
        raise ValueError("targets: expected shape [n] or [n, k], got []")
    values = losses.pinball_loss(floats("predictions", predictions), targets, quantiles)
    return weighted_mean(per_row(values), weights)


@helpful
def crps(outputs: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Mean continuous ranked probability score of predicted Gaussians, in the targets' units.

    Args:
      outputs: mean and logarithm of the variance, `[n, 2]`, or of k numbers `[n, 2 * k]`.
      targets: `[n]` or `[n, k]`.
      weights: `[n]`, nonnegative.

    Raises:
      ValueError: the shapes don't fit.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.metrics.crps(jnp.zeros((1, 2)), jnp.zeros(1))), 4)
      0.2337

    Source: Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation" (2007), section 4.2.
    """
    values = losses.gaussian_crps(floats("outputs", outputs), floats("targets", targets))
    return weighted_mean(per_row(values), weights)


def _deviance(
    loss: Callable[..., Array], means: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, *, can_be_zero: bool
) -> Array:
    means, targets = same_shape(means, targets, "means")
    w = None if weights is None else row_weights(weights, means)
    # NaN is neither in range nor out of it: it is told by the result, as elsewhere.
    usable = (targets >= 0 if can_be_zero else targets > 0) | jnp.isnan(targets)
    predicted = (means > 0) | jnp.isnan(means)
    refuse("targets", targets, usable, w, "numbers that aren't negative" if can_be_zero else "positive numbers")
    refuse("means", means, predicted, w, "positive numbers")
    good = usable & predicted
    # Twice: `weights` of zero hide what they shall hide, and nothing out of range is looked at.
    values = loss(jnp.log(jnp.where(good, means, 1)), jnp.where(good, targets, 1))
    return unless(good, w, weighted_mean(per_row(values), weights))
