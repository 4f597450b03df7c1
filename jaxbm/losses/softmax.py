"""Cross-entropies of classes that exclude each other, from logits."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.losses.arguments import Axis, distributions, floating


def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """`-sum(labels * log_softmax(logits))` over `axis`.

    A label of zero against a logit of -inf is NaN here, as in Optax; `safe_softmax_cross_entropy` gives 0.

    Args:
      logits: floating point `[..., classes]`.
      labels: probabilities of the classes, of the logits' shape or one that broadcasts with equal rank.
      axis: the classes' axis, or axes.
      where: which elements count.

    Raises:
      ValueError: ranks differ, shapes don't fit, or logits are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> logits = jnp.log(jnp.asarray([0.7, 0.2, 0.1]))
      >>> round(float(jaxbm.losses.softmax_cross_entropy(logits, jnp.asarray([1.0, 0.0, 0.0]))), 3)
      0.357

    Source: Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 6.2.2.3.
    """
    logits, labels = distributions("logits", logits, labels)
    log_p = _log_softmax(logits, axis, where)
    return -jnp.sum(labels * log_p, axis, where=where)


def safe_softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """`softmax_cross_entropy` over the last axis in which a label of zero contributes exactly zero.

    So a class may be ruled out by a logit of -inf. Arguments and errors as for `softmax_cross_entropy`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> logits, labels = jnp.asarray([0.0, -jnp.inf]), jnp.asarray([1.0, 0.0])
      >>> float(jaxbm.losses.safe_softmax_cross_entropy(logits, labels)) == 0
      True

    Source: Goodfellow, Bengio and Courville (2016), section 6.2.2.3.
    """
    logits, labels = distributions("logits", logits, labels)
    log_p = _log_softmax(logits, -1, None)
    return -jnp.sum(jnp.where(labels == 0, 0, labels * jnp.where(labels == 0, 0, log_p)), axis=-1)


def softmax_cross_entropy_with_integer_labels(
    logits: ArrayLike, labels: ArrayLike, axis: int = -1, where: ArrayLike | None = None
) -> Array:
    """`logsumexp(logits) - logits[label]` over `axis`.

    Args:
      logits: floating point `[..., classes]`.
      labels: integers in `[0, classes)`, of the logits' shape without `axis`.
      axis: the classes' axis.
      where: which classes count, like the logits.

    Raises:
      ValueError: labels are not integers, the shapes don't fit, or logits are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> logits = jnp.log(jnp.asarray([[0.7, 0.2, 0.1]]))
      >>> loss = jaxbm.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray([0]))
      >>> round(float(loss[0]), 3)
      0.357

    Source: Goodfellow, Bengio and Courville (2016), section 6.2.2.3.
    """
    logits, labels = floating("logits", logits), jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels: expected integers, got dtype {labels.dtype}")
    axis = axis % logits.ndim if logits.ndim else axis
    want = logits.shape[:axis] + logits.shape[axis + 1 :]
    if logits.ndim == 0 or labels.shape != want:
        raise ValueError(
            f"labels: expected shape {list(want)}, the logits' {list(logits.shape)} without axis {axis}, "
            f"got {list(labels.shape)}"
        )
    shifted, log_total = _normalizer(logits, axis, where)
    picked = jnp.take_along_axis(shifted, jnp.expand_dims(labels, axis), axis, mode="clip")
    return (log_total - picked).squeeze(axis)


def _log_softmax(logits: Array, axis: Axis, where: ArrayLike | None) -> Array:
    shifted, log_total = _normalizer(logits, axis, where)
    return shifted - log_total


def _normalizer(logits: Array, axis: Axis, where: ArrayLike | None) -> tuple[Array, Array]:
    """Logits less the largest one, and the logarithm of the sum of their exponentials."""
    top = jnp.max(logits, axis, keepdims=True, where=where, initial=-jnp.inf)
    shifted = logits - jax.lax.stop_gradient(jnp.where(jnp.isfinite(top), top, 0))
    total = jnp.sum(jnp.exp(shifted), axis, keepdims=True, where=where)
    return shifted, jnp.log(total)
