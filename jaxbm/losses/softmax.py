"""Cross-entropies of classes that exclude each other, from logits.

`where` tells which elements count: of the logits' shape, or one for each row, that is without the classes' axis. What
it masks has no influence, however large, and neither value nor gradient becomes NaN by it; where nothing counts the
loss is 0.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import Axis, axes_of, class_labels, distributions, floating, mask_of, number


@helpful
def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """`-sum(labels * log_softmax(logits))` over `axis`.

    A label of zero against a logit of -inf is NaN here, as in Optax; `safe_softmax_cross_entropy` gives 0.

    Args:
      logits: floating point `[..., classes]`.
      labels: probabilities of the classes, of the logits' shape or one that broadcasts with equal rank.
      axis: the classes' axis, or axes.
      where: which elements count, of the logits' shape, or which rows, of that shape without `axis`.

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
    axes = axes_of(axis, logits.ndim)
    mask = mask_of(where, logits, axes)
    log_p = _log_softmax(logits, axes, mask)
    return -jnp.sum(labels * log_p, axes, where=mask)


@helpful
def weighted_logsoftmax(x: ArrayLike, weights: ArrayLike) -> Array:
    """`weights * log_softmax(x)` over the last axis, and 0 where a weight of 0 meets an `x` of -inf.

    Args:
      x: floating point `[..., classes]`.
      weights: of the same shape or one that broadcasts with equal rank.

    Raises:
      ValueError: ranks differ, shapes don't fit, or `x` is not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> jaxbm.losses.weighted_logsoftmax(jnp.asarray([0.0, -jnp.inf]), jnp.asarray([1.0, 0.0])).tolist()
      [0.0, 0.0]

    Source: Goodfellow, Bengio and Courville (2016), section 6.2.2.3.
    """
    x, weights = distributions("x", x, weights, "weights")
    log_p = _log_softmax(x, axes_of(-1, x.ndim), None)
    # Only the infinite ones are replaced: elsewhere the product is 0 and its derivative by the weight is right.
    return weights * jnp.where((weights == 0) & jnp.isneginf(log_p), 0, log_p)


@helpful
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
    return -jnp.sum(weighted_logsoftmax(logits, labels), axis=-1)


@helpful
def softmax_cross_entropy_with_integer_labels(
    logits: ArrayLike, labels: ArrayLike, axis: int | tuple[int, ...] = -1, where: ArrayLike | None = None
) -> Array:
    """`logsumexp(logits) - logits[label]` over `axis`.

    Args:
      logits: floating point `[..., classes]`.
      labels: integers in `[0, classes)`, of the logits' shape without `axis`.
      axis: the classes' axis; of several axes, labels number the elements in the order in which axes are given.
      where: which classes count, of the logits' shape, or which rows, of that shape without `axis`.

    Returns:
      The logits' shape without `axis`. Under a transformation, where values can't be looked at, a label that is no
      class gives NaN.

    Raises:
      ValueError: labels are not integers or no classes, the shapes don't fit, or logits are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> logits = jnp.log(jnp.asarray([[0.7, 0.2, 0.1]]))
      >>> loss = jaxbm.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray([0]))
      >>> round(float(loss[0]), 3)
      0.357

    Source: Goodfellow, Bengio and Courville (2016), section 6.2.2.3.
    """
    x = floating("logits", logits)
    axes = axes_of(axis, x.ndim)
    if axis is None or not axes:
        raise ValueError(f"axis: expected the classes' axis or axes, got {axis} for logits {list(x.shape)}")
    mask = mask_of(where, x, axes)
    if len(axes) > 1:
        mask = None if mask is None else _axes_last(mask, axes)
        x = _axes_last(x, axes)
        axes = (x.ndim - 1,)
    (at,) = axes
    rows = x.shape[:at] + x.shape[at + 1 :]
    any_counts = None if mask is None else mask.any(at)
    index, known = class_labels(labels, rows, x.shape[at], any_counts)
    shifted, top, log_total = _normalizer(x, axes, mask)
    # The label's own logit counts even where it is masked, as in Optax.
    source = shifted if mask is None else x - top
    picked = jnp.take_along_axis(source, jnp.expand_dims(index, at), at, mode="clip")
    loss = jnp.where(known, (log_total - picked).squeeze(at), jnp.nan)
    return loss if any_counts is None else jnp.where(any_counts, loss, 0)


@helpful
def poly_loss_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    epsilon: ArrayLike = 2.0,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`softmax_cross_entropy + epsilon * sum(labels * (1 - softmax(logits)))` over `axis`.

    Args:
      logits, labels, axis, where: as for `softmax_cross_entropy`.
      epsilon: how much more the first term of the cross-entropy's expansion in `1 - p` counts.

    Raises:
      ValueError: as for `softmax_cross_entropy`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> logits, labels = jnp.log(jnp.asarray([0.7, 0.2, 0.1])), jnp.asarray([1.0, 0.0, 0.0])
      >>> round(float(jaxbm.losses.poly_loss_cross_entropy(logits, labels, epsilon=1.0)), 3)
      0.657

    Source: Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions" (2022).
    """
    logits, labels = distributions("logits", logits, labels)
    axes = axes_of(axis, logits.ndim)
    mask = mask_of(where, logits, axes)
    log_p = _log_softmax(logits, axes, mask)
    wrong = jnp.sum(labels * -jnp.expm1(log_p), axes, where=mask)
    log_p = jnp.where((labels == 0) & jnp.isneginf(log_p), 0, log_p)  # a class without a share may be impossible
    return number("epsilon", epsilon, wrong) * wrong - jnp.sum(labels * log_p, axes, where=mask)


def _log_softmax(logits: Array, axes: tuple[int, ...], mask: Array | None) -> Array:
    shifted, _, log_total = _normalizer(logits, axes, mask)
    return shifted - log_total


def _normalizer(logits: Array, axes: tuple[int, ...], mask: Array | None) -> tuple[Array, Array, Array]:
    """Logits less the largest one, that one, and the logarithm of the sum of the differences' exponentials."""
    top = jnp.max(logits, axes, keepdims=True, where=mask, initial=-jnp.inf)
    top = jax.lax.stop_gradient(jnp.where(jnp.isfinite(top), top, 0))
    shifted = logits - top
    if mask is None:
        return shifted, top, jnp.log(jnp.sum(jnp.exp(shifted), axes, keepdims=True))
    # Masked twice: what is masked must not overflow on its way to a sum that leaves it out.
    shifted = jnp.where(mask, shifted, 0)
    total = jnp.sum(jnp.exp(shifted), axes, keepdims=True, where=mask)
    return shifted, top, jnp.log(jnp.where(mask.any(axes, keepdims=True), total, 1))


def _axes_last(array: Array, axes: tuple[int, ...]) -> Array:
    """The given axes, in their order, as one axis behind the others."""
    rest = tuple(i for i in range(array.ndim) if i not in axes)
    rows = tuple(array.shape[i] for i in rest)
    return array.transpose(rest + axes).reshape((*rows, math.prod(array.shape[i] for i in axes)))
