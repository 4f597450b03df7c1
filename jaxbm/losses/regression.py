"""Losses of real numbers."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.losses.arguments import pair


def squared_error(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`(predictions - targets)**2`, elementwise, without the half of `l2_loss`.

    Args:
      predictions, targets: floating point, of one shape; no targets means zeros. A scalar target is allowed.

    Raises:
      ValueError: the shapes differ, or predictions are not floating point.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.squared_error(3.0, 2.5))
      0.25

    Source: Bishop, "Pattern Recognition and Machine Learning" (2006), section 1.1.
    """
    predictions, targets = pair(predictions, targets)
    return jnp.square(predictions if targets is None else predictions - targets)


def l2_loss(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`0.5 * (predictions - targets)**2`, elementwise; arguments and errors as for `squared_error`.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.l2_loss(3.0, 2.0))
      0.5

    Source: Bishop (2006), section 3.1.
    """
    return 0.5 * squared_error(predictions, targets)


def huber_loss(predictions: ArrayLike, targets: ArrayLike | None = None, delta: float = 1.0) -> Array:
    """`0.5 * e**2` where `|e| <= delta`, else `delta * (|e| - 0.5 * delta)`, for `e = predictions - targets`.

    Arguments and errors as for `squared_error`; `delta` is positive.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.huber_loss(3.0, 0.0))
      2.5

    Source: Huber, "Robust Estimation of a Location Parameter" (1964).
    """
    predictions, targets = pair(predictions, targets)
    size = jnp.abs(predictions if targets is None else predictions - targets)
    near = jnp.minimum(size, delta)
    return 0.5 * near * near + delta * (size - near)


def log_cosh(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`log(cosh(predictions - targets))`, elementwise; arguments and errors as for `squared_error`.

    Example:
      >>> import jaxbm
      >>> round(float(jaxbm.losses.log_cosh(1.0, 0.0)), 4)
      0.4338

    Source: Chen et al., "Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder" (2019).
    """
    predictions, targets = pair(predictions, targets)
    error = predictions if targets is None else predictions - targets
    return jnp.logaddexp(error, -error) - jnp.asarray(0.6931471805599453, error.dtype)
