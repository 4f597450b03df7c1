"""Losses of counts and of positive amounts, from the logarithm of their mean.

The logarithm, because a network's output may be any number: `exp` of it is the mean that is predicted. A deviance is
twice the log-likelihood that is missing to a perfect prediction, so 0 is the best. A target out of range is a
ValueError; under a transformation, where values can't be looked at, it gives NaN.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import between, pair

TERMS = 14
"""Of the exponential's series: enough for float64 below 0.5."""


@helpful
def poisson_deviance(log_means: ArrayLike, targets: ArrayLike) -> Array:
    """`2 * (y * log(y / mean) - y + mean)` for `mean = exp(log_means)`, elementwise.

    Args:
      log_means: floating point.
      targets: counts, or other numbers that aren't negative, of the same shape; a scalar is allowed.

    Raises:
      ValueError: the shapes differ, log_means are not floating point, or a concrete target is negative.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.losses.poisson_deviance(jnp.log(2.0), 1.0)), 4)
      0.6137

    Source: McCullagh and Nelder, "Generalized Linear Models" (1989), section 2.3.
    """
    log_means, y = pair(log_means, targets, "log_means")
    between("targets", y, 0, float("inf"))
    positive = y > 0
    # Each way is given nothing of the other, whose infinite derivative times 0 would be NaN.
    ahead = jnp.where(positive, log_means - jnp.log(jnp.where(positive, y, 1)), 0)
    of_zero = jnp.exp(jnp.where(positive, 0, log_means))
    return jnp.where(y < 0, jnp.nan, 2 * jnp.where(positive, y * _beyond_line(ahead), of_zero))


@helpful
def gamma_deviance(log_means: ArrayLike, targets: ArrayLike) -> Array:
    """`2 * (log(mean / y) + y / mean - 1)` for `mean = exp(log_means)`, elementwise.

    Args:
      log_means: floating point.
      targets: positive amounts of the same shape; a scalar is allowed.

    Raises:
      ValueError: the shapes differ, log_means are not floating point, or a concrete target is not positive.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.losses.gamma_deviance(jnp.log(2.0), 1.0)), 4)
      0.3863

    Source: McCullagh and Nelder (1989), section 2.3.
    """
    log_means, y = pair(log_means, targets, "log_means")
    between("targets", y, 0, float("inf"), ends=False)
    ahead = log_means - jnp.log(jnp.where(y > 0, y, 1))
    return jnp.where(y > 0, 2 * _beyond_line(-ahead), jnp.nan)


@helpful
def tweedie_deviance(log_means: ArrayLike, targets: ArrayLike, power: float = 1.5) -> Array:
    """The deviance whose variance is `mean**power`: between Poisson (1) and Gamma (2) for sums of positive amounts.

    `2 * (y**(2-p) / ((1-p) * (2-p)) - y * mean**(1-p) / (1-p) + mean**(2-p) / (2-p))`, elementwise.

    Args:
      log_means: floating point.
      targets: not negative, and positive for a power of 2 and more; of the same shape, a scalar is allowed.
      power: a Python number, 1 or more; or 0, the squared error of the mean.

    Raises:
      ValueError: the shapes differ, log_means are not floating point, the power is between 0 and 1, or a concrete
        target is out of range.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.tweedie_deviance(jnp.log(4.0), 0.0, power=1.5))
      8.0

    Source: Jorgensen, "The Theory of Dispersion Models" (1997), chapter 4.
    """
    if np.ndim(power):
        raise ValueError(f"power: expected one number, got shape {list(np.shape(power))}")
    power = float(power)
    if not (power == 0 or power >= 1):
        raise ValueError(f"power: expected 0, or 1 and more, got {power}")
    if power in (1.0, 2.0):
        return (poisson_deviance if power == 1 else gamma_deviance)(log_means, targets)
    log_means, y = pair(log_means, targets, "log_means")
    if power == 0:
        return jnp.square(y - jnp.exp(log_means))
    between("targets", y, 0, float("inf"), ends=power < 2)
    positive = y > 0
    # In units of the target's own power all is a function of the distance from it, and nothing of it cancels.
    log_y = jnp.log(jnp.where(positive, y, 1))
    ahead = jnp.where(positive, log_means - log_y, 0)
    above, below = _beyond_line((2 - power) * ahead) / (2 - power), _beyond_line((1 - power) * ahead) / (1 - power)
    of_positive = jnp.exp((2 - power) * log_y) * (above - below)
    if power >= 2:
        return jnp.where(positive, 2 * of_positive, jnp.nan)
    of_zero = jnp.exp((2 - power) * jnp.where(positive, 0, log_means)) / (2 - power)
    return jnp.where(y >= 0, 2 * jnp.where(positive, of_positive, of_zero), jnp.nan)


@jax.custom_jvp
def _beyond_line(x: Array) -> Array:
    """`exp(x) - 1 - x`, with all its digits: near 0, where a prediction is right, that difference would have none."""
    is_small = jnp.abs(x) < 0.5
    small, large = jnp.where(is_small, x, 0), jnp.where(is_small, 0, x)
    series = jnp.ones_like(x)
    for n in range(TERMS, 2, -1):
        series = 1 + series * small * (1 / n)
    return jnp.where(is_small, 0.5 * small * small * series, jnp.expm1(large) - large)


@_beyond_line.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _beyond_line(*primals), jnp.expm1(*primals) * tangents[0]
