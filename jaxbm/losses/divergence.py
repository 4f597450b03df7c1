"""How far one distribution is from another."""

import warnings

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import Axis, axes_of, distributions, floating, pair


@helpful
def kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """`sum(targets * (log(targets) - log_predictions))` over `axis`; a target of zero contributes zero.

    Args:
      log_predictions: logarithms of probabilities, floating point `[..., classes]`.
      targets: probabilities, of the same shape.
      axis: the classes' axis, or axes.
      where: which elements count, with as many axes as the predictions; what it masks has no influence.

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
    log_predictions, targets = _unmasked(where, log_predictions, targets)
    log_targets = jnp.log(jnp.where(targets == 0, 1, targets))
    impossible = (targets == 0) & jnp.isneginf(log_predictions)
    terms = targets * (log_targets - jnp.where(impossible, 0, log_predictions))
    return jnp.sum(terms, axes_of(axis, log_predictions.ndim))


@helpful
def kl_divergence_with_log_targets(
    log_predictions: ArrayLike, log_targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """`kl_divergence` for targets that are given as logarithms, too; both floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> log_p = jnp.log(jnp.asarray([0.5, 0.5]))
      >>> float(jaxbm.losses.kl_divergence_with_log_targets(log_p, log_p))
      0.0

    Source: Kullback and Leibler (1951).
    """
    log_targets = floating("log_targets", log_targets)
    log_predictions, log_targets = distributions("log_predictions", log_predictions, log_targets, "log_targets")
    log_predictions, log_targets = _unmasked(where, log_predictions, log_targets)
    impossible = jnp.isneginf(log_targets)
    ratio = jnp.where(impossible, 0, log_targets) - jnp.where(
        impossible & jnp.isneginf(log_predictions), 0, log_predictions
    )
    return jnp.sum(jnp.exp(log_targets) * ratio, axes_of(axis, log_predictions.ndim))


@helpful
def generalized_kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """`kl_divergence + sum(exp(log_predictions) - targets)`: for sums that need not be 1; arguments as there.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> p = jnp.asarray([2.0, 3.0])
      >>> round(float(jaxbm.losses.generalized_kl_divergence(jnp.log(p), p)), 6)
      0.0

    Source: Boyd and Vandenberghe, "Convex Optimization" (2004), section 3.2.6.
    """
    log_p, q = distributions("log_predictions", log_predictions, targets, "targets")
    divergence = kl_divergence(log_p, q, axis, where)
    if where is not None:
        log_p, q = _unmasked(where, log_p, q)
        log_p = jnp.where(jnp.broadcast_to(jnp.asarray(where, bool), log_p.shape), log_p, -jnp.inf)
    return divergence + jnp.sum(jnp.exp(log_p) - q, axes_of(axis, log_p.ndim))


@helpful
def convex_kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """Optax's older name of `generalized_kl_divergence`; a DeprecationWarning says so, as there.

    Example:
      >>> import warnings, jax.numpy as jnp, jaxbm
      >>> with warnings.catch_warnings():
      ...     warnings.simplefilter("ignore")
      ...     loss = jaxbm.losses.convex_kl_divergence(jnp.zeros(1), jnp.ones(1))
      >>> float(loss)
      0.0

    Source: Boyd and Vandenberghe (2004), section 3.2.6.
    """
    warnings.warn(
        "convex_kl_divergence is deprecated, use generalized_kl_divergence", DeprecationWarning, stacklevel=2
    )
    return generalized_kl_divergence(log_predictions, targets, axis, where)


@helpful
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
    floor = jnp.finfo(probabilities.dtype).tiny
    log_p = jnp.log(jnp.maximum(probabilities, floor))
    return -jnp.sum(jnp.where(labels == 0, 0, labels * log_p), axes_of(axis, probabilities.ndim))


def _unmasked(where: ArrayLike | None, first: Array, second: Array) -> tuple[Array, Array]:
    """Zeros for what `where` masks: of logarithms and of probabilities alike, they contribute nothing."""
    if where is None:
        return first, second
    mask = jnp.asarray(where, bool)
    same_rank = mask.ndim in (0, first.ndim)
    if not same_rank or any(a not in (1, b) for a, b in zip(mask.shape, first.shape, strict=False)):
        raise ValueError(f"where: expected shape {list(first.shape)}, got {list(mask.shape)}")
    mask = jnp.broadcast_to(mask, first.shape)
    second = jnp.broadcast_to(second, first.shape)
    return jnp.where(mask, first, 0), jnp.where(mask, second, 0)
