"""How far one distribution is from another."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.losses.arguments import Axis, distributions, pair


def kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """`sum(targets * (log(targets) - log_predictions))` over `axis`; a target of zero contributes zero.

    Args:
      log_predictions: logarithms of probabilities, floating point `[..., classes]`.
      targets: probabilities, of the same shape.
      axis, where: as for `softmax_cross_entropy`.

    Raises:
      ValueError: ranks differ, shapes don't fit, or log_predictions are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> p = jnp.asarray([0.5, 0.5])
      >>> float(jaxbm.losses.kl_divergence(jnp.log(p), p))
      0.0

    Source: Kullback and Leibler, "On Information and Sufficiency" (1951).
    """
    log_predictions, targets = distributions("log_predictions", log_predictions, targets, "targets")
    log_targets = jnp.log(jnp.where(targets == 0, 1, targets))
    return jnp.sum(targets * (log_targets - log_predictions), axis, where=where)


def cross_entropy(probabilities: ArrayLike, labels: ArrayLike, axis: Axis = -1) -> Array:
    """`-sum(labels * log(probabilities))` over `axis`: the textbook formula; labels of zero contribute zero.

    Prefer `softmax_cross_entropy` of logits for training: a probability that underflowed can't be mended.
    Probabilities are kept at least the dtype's smallest normal number, so values and gradients stay finite.

    Raises:
      ValueError: shapes differ, or probabilities are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> loss = jaxbm.losses.cross_entropy(jnp.asarray([0.7, 0.2, 0.1]), jnp.asarray([1.0, 0.0, 0.0]))
      >>> round(float(loss), 3)
      0.357

    Source: Bishop (2006), equation 4.108.
    """
    probabilities, labels = pair(probabilities, labels, "probabilities", "labels")
    assert labels is not None
    floor = jnp.finfo(probabilities.dtype).tiny
    log_p = jnp.log(jnp.maximum(probabilities, floor))
    return -jnp.sum(jnp.where(labels == 0, 0, labels * log_p), axis)
