"""Losses of real numbers and of vectors."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.arrays import joined
from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import Axis, axes_of, floating, mask_of, number, pair


@helpful
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
    predictions, targets = pair(predictions, targets, or_zero=True)
    return jnp.square(predictions - targets)


@helpful
def l2_loss(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`0.5 * (predictions - targets)**2`, elementwise; arguments and errors as for `squared_error`.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.l2_loss(3.0, 2.0))
      0.5

    Source: Bishop (2006), section 3.1.
    """
    return 0.5 * squared_error(predictions, targets)


@helpful
def absolute_error(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`abs(predictions - targets)`, elementwise; arguments and errors as for `squared_error`.

    Its minimiser is the conditional median. At an error of 0 the gradient is 0.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.absolute_error(3.0, 5.0))
      2.0

    Source: Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), section 10.6.
    """
    predictions, targets = pair(predictions, targets, or_zero=True)
    return jnp.abs(predictions - targets)


@helpful
def huber_loss(predictions: ArrayLike, targets: ArrayLike | None = None, delta: ArrayLike = 1.0) -> Array:
    """`0.5 * e**2` where `|e| <= delta`, else `delta * (|e| - 0.5 * delta)`, for `e = predictions - targets`.

    Arguments and errors as for `squared_error`; `delta` is positive and finite, a number or an array that fits the
    predictions.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.huber_loss(3.0, 0.0))
      2.5

    Source: Huber, "Robust Estimation of a Location Parameter" (1964).
    """
    predictions, targets = pair(predictions, targets, or_zero=True)
    bound = number("delta", delta, predictions, low=0)
    size = jnp.abs(predictions - targets)
    is_far = size > bound
    near = jnp.where(is_far, bound, size)  # chosen, not subtracted: the slopes of a difference would cancel
    return 0.5 * near * near + bound * jnp.where(is_far, size - bound, 0)


@helpful
def log_cosh(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`log(cosh(predictions - targets))`, elementwise; arguments and errors as for `squared_error`.

    Example:
      >>> import jaxbm
      >>> round(float(jaxbm.losses.log_cosh(1.0, 0.0)), 4)
      0.4338

    Source: Chen et al., "Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder" (2019).
    """
    predictions, targets = pair(predictions, targets, or_zero=True)
    error = predictions - targets
    size = jnp.abs(error)
    # Near zero the logarithm of a sum and that of two would cancel: there cosh is one more than a square.
    is_small = size < 1
    half = jnp.sinh(jnp.where(is_small, error, 0) / 2)
    large = jnp.where(is_small, 1, size)
    beyond = large + jnp.log1p(jnp.exp(-2 * large)) - jnp.asarray(0.6931471805599453, error.dtype)
    return jnp.where(is_small, jnp.log1p(2 * half * half), beyond)


@helpful
def cosine_similarity(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    epsilon: ArrayLike = 0.0,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`sum(a * b) / (norm(a) * norm(b))` over `axis`: the cosine of the angle between two vectors.

    Args:
      predictions, targets: floating point `[..., dim]`, of one shape.
      epsilon: the least square of a norm to divide by; with 0, a vector of zeros gives NaN, as in Optax.
      axis: the vectors' axis, or axes.
      where: which elements count, of the predictions' shape, or which rows, of that shape without `axis`.

    Returns:
      The predictions' shape without `axis`, from -1 to 1.

    Raises:
      ValueError: the shapes differ, or one of the two is not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.cosine_similarity(jnp.asarray([3.0, 4.0]), jnp.asarray([0.0, 2.0])))
      0.800000011920929

    Source: Manning, Raghavan and Schuetze, "Introduction to Information Retrieval" (2008), section 6.3.1.
    """
    predictions, targets = pair(predictions, floating("targets", targets))
    targets = jnp.broadcast_to(targets, predictions.shape)
    axes = axes_of(axis, predictions.ndim)
    mask = mask_of(where, predictions, axes)
    wide = joined(predictions.dtype, jnp.float32)  # the square of a norm soon overflows in float16
    a, b = (x.astype(wide) if mask is None else jnp.where(mask, x, 0).astype(wide) for x in (predictions, targets))
    least = number("epsilon", epsilon, jnp.zeros((), wide), low=0, ends=True)
    norms = [jnp.sqrt(jnp.maximum(jnp.square(x).sum(axes, keepdims=True), least)) for x in (a, b)]
    return ((a / norms[0]) * (b / norms[1])).sum(axes).astype(predictions.dtype)


@helpful
def cosine_distance(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    epsilon: ArrayLike = 0.0,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`1 - cosine_similarity(predictions, targets)`, with its arguments and errors.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.cosine_distance(jnp.asarray([1.0, 0.0]), jnp.asarray([-2.0, 0.0])))
      2.0

    Source: Manning, Raghavan and Schuetze (2008), section 6.3.1.
    """
    return 1 - cosine_similarity(predictions, targets, epsilon=epsilon, axis=axis, where=where)
