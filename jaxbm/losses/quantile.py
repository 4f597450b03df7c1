"""The loss whose minimiser is a quantile."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.arrays import real
from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import between, floating, pair


@helpful
def pinball_loss(predictions: ArrayLike, targets: ArrayLike, quantiles: ArrayLike = 0.5) -> Array:
    """`max(q * e, (q - 1) * e)` for `e = targets - predictions`, elementwise.

    Args:
      predictions: floating point `[...]`; of several quantiles `[..., k]`, one for each; of several quantiles of `t`
        targets `[..., t * k]`, all of the first target, then all of the second.
      targets: of the same shape; or, of several quantiles, `[...]` or `[..., t]`, the same for all of them.
      quantiles: inside (0, 1): one number, or `[k]`.

    Returns:
      The predictions' shape; an error of 0 has the gradient between those on its two sides.

    Raises:
      ValueError: the shapes don't fit, predictions are not floating point, or a quantile is not inside (0, 1).

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> jaxbm.losses.pinball_loss(jnp.asarray([[1.0, 1.0]]), jnp.asarray([3.0]), jnp.asarray([0.25, 0.5])).tolist()
      [[0.5, 1.0]]

    Source: Koenker and Bassett, "Regression Quantiles" (1978).
    """
    predictions, q = floating("predictions", predictions), real("quantiles", quantiles)
    between("quantiles", quantiles, 0, 1, ends=False)
    y = real("targets", targets)
    shape = predictions.shape
    if q.ndim:
        of_several = y.ndim and y.ndim == len(shape) and y.shape != shape and q.ndim == 1
        if of_several and shape == (*y.shape[:-1], y.shape[-1] * q.size):
            predictions = predictions.reshape((*y.shape, q.size))
        if q.ndim != 1 or predictions.shape[-1:] != q.shape:
            raise ValueError(
                f"quantiles: expected one number, or one for each of the last axis of predictions "
                f"{list(shape)}, got shape {list(q.shape)}"
            )
        if y.ndim == predictions.ndim - 1:
            y = jnp.broadcast_to(y[..., None], (*y.shape, q.shape[0]))
    predictions, y = pair(predictions, y)
    q = q.astype(predictions.dtype)
    q = jnp.broadcast_to(q, predictions.shape) if q.ndim else q
    error = y - predictions
    return jnp.maximum(q * error, (q - 1) * error).reshape(shape)
