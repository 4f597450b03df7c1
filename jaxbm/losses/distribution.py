"""Losses of networks that predict a distribution: two outputs for each number, a place and a spread."""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import betaln
from jax.typing import ArrayLike

from jaxbm.core.arrays import real
from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import between, floating

LEAST_DISPERSION = -16.0
"""Logarithm of the smallest dispersion: there a negative binomial is a Poisson distribution to float32's accuracy."""


@helpful
def gaussian_nll(outputs: ArrayLike, targets: ArrayLike) -> Array:
    """`0.5 * (log(2 * pi) + s + (y - m)**2 * exp(-s))` for outputs `(m, s)`: mean and logarithm of the variance.

    Args:
      outputs: floating point `[..., 2]`; of k numbers `[..., 2 * k]`, both of the first, then both of the second.
      targets: `[...]`, or `[..., k]`.

    Returns:
      The targets' shape: minus the logarithm of the density. A variance is at least the dtype's smallest normal
      number.

    Raises:
      ValueError: the shapes don't fit, or outputs are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.losses.gaussian_nll(jnp.asarray([1.0, 0.0]), 3.0)), 4)
      2.9189

    Source: Nix and Weigend, "Estimating the mean and variance of the target probability distribution" (1994).
    """
    mean, log_variance, y = _place_and_spread(outputs, targets)
    scaled = (y - mean) * jnp.exp(-0.5 * log_variance)
    return 0.5 * (math.log(2 * math.pi) + log_variance) + 0.5 * scaled * scaled


@helpful
def gaussian_crps(outputs: ArrayLike, targets: ArrayLike) -> Array:
    """The continuous ranked probability score of a Gaussian, in the targets' units; outputs as for `gaussian_nll`.

    `e * (2 * cdf(z) - 1) + sd * (2 * pdf(z) - 1 / sqrt(pi))` for `e = y - m` and `z = e / sd`: the absolute error
    where the standard deviation `sd` is 0. Arguments and errors as for `gaussian_nll`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.losses.gaussian_crps(jnp.asarray([1.0, 0.0]), 1.0)), 4)
      0.2337

    Source: Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation" (2007), section 4.2.
    """
    mean, log_variance, y = _place_and_spread(outputs, targets)
    error, spread = y - mean, jnp.exp(0.5 * log_variance)
    z = error * jnp.exp(-0.5 * log_variance)
    density = jnp.exp(-0.5 * jnp.square(z)) / math.sqrt(2 * math.pi)
    return error * jax.lax.erf(z / math.sqrt(2)) + spread * (2 * density - 1 / math.sqrt(math.pi))


@helpful
def negative_binomial_nll(outputs: ArrayLike, targets: ArrayLike) -> Array:
    """Minus the log-likelihood of counts with mean `m` and variance `m + a * m**2`, of outputs `(log m, log a)`.

    Args:
      outputs: floating point `[..., 2]`: logarithms of the mean and of the dispersion, which counts as at least
        `exp(-16)`; of k counts `[..., 2 * k]`, both of the first, then both of the second.
      targets: counts `[...]`, or `[..., k]`.

    Returns:
      The targets' shape.

    Raises:
      ValueError: the shapes don't fit, outputs are not floating point, or a concrete count is negative.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.losses.negative_binomial_nll(jnp.zeros(2), 0)), 4)
      0.6931

    Source: Hilbe, "Negative Binomial Regression" (2011), section 8.2.
    """
    log_mean, log_dispersion, y = _place_and_spread(outputs, targets, LEAST_DISPERSION)
    between("targets", y, 0, float("inf"))
    size = jnp.exp(-log_dispersion)
    odds = log_mean + log_dispersion
    positive = jnp.where(y > 0, y, 1)
    # gamma(y + r) / (gamma(r) * y!) = 1 / (y * beta(y, r)): a difference of log-gammas would cancel for a large r.
    ways = jnp.where(y > 0, jnp.log(positive) + betaln(positive, size), 0)
    return jnp.where(y < 0, jnp.nan, ways + size * jax.nn.softplus(odds) + y * jax.nn.softplus(-odds))


def _place_and_spread(
    outputs: ArrayLike, targets: ArrayLike, least: float | None = None
) -> tuple[Array, Array, Array]:
    outputs, y = floating("outputs", outputs), real("targets", targets)
    if y.ndim and y.ndim == outputs.ndim and outputs.shape == (*y.shape[:-1], 2 * y.shape[-1]):
        outputs = outputs.reshape((*y.shape, 2))
    if outputs.ndim == 0 or outputs.shape[-1] != 2 or y.shape != outputs.shape[:-1]:
        raise ValueError(
            f"targets: expected shape [...] of outputs [..., 2], got {list(y.shape)} of outputs {list(outputs.shape)}"
        )
    floor = math.log(float(jnp.finfo(outputs.dtype).tiny)) if least is None else least
    return outputs[..., 0], jnp.maximum(outputs[..., 1], floor), y.astype(outputs.dtype)
