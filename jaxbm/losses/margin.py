"""Losses that ask for a margin between scores and give no probabilities."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.arrays import joined
from jaxbm.core.calls import helpful
from jaxbm.core.settings import whole_on_each
from jaxbm.losses.arguments import axes_of, between, class_labels, floating, number, pair


@helpful
def hinge_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """`max(0, 1 - predictor_outputs * targets)`, elementwise, targets being -1 or 1.

    Raises:
      ValueError: the shapes differ, or outputs are not floating point.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.hinge_loss(0.25, 1.0))
      0.75

    Source: Cortes and Vapnik, "Support-Vector Networks" (1995).
    """
    outputs, targets = pair(predictor_outputs, targets, "predictor_outputs")
    return jnp.maximum(0, 1 - outputs * targets)


@helpful
def perceptron_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """`max(0, -predictor_outputs * targets)`, elementwise, targets being -1 or 1; errors as for `hinge_loss`.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.perceptron_loss(-0.25, 1.0))
      0.25

    Source: Rosenblatt, "The Perceptron: A Probabilistic Model for Information Storage" (1958).
    """
    outputs, targets = pair(predictor_outputs, targets, "predictor_outputs")
    return jnp.maximum(0, -outputs * targets)


@helpful
def sparsemax_loss(logits: ArrayLike, labels: ArrayLike) -> Array:
    """The two-class loss whose predicted probabilities can be exactly 0 and 1, elementwise.

    With the margin `m`, which is the logit for label 1 and minus the logit for label 0: 0 where `m >= 1`, `-m` where
    `m <= -1`, else `(1 - m)**2 / 4`.

    Args:
      logits: floating point.
      labels: 0 or 1, of the same shape; a scalar is allowed.

    Raises:
      ValueError: the shapes differ, or logits are not floating point.

    Example:
      >>> import jaxbm
      >>> float(jaxbm.losses.sparsemax_loss(0.0, 1))
      0.25

    Source: Blondel, Martins and Niculae, "Learning with Fenchel-Young Losses" (2020), section 4.4.
    """
    logits, labels = pair(logits, labels, "logits", "labels")
    return jax.nn.sparse_plus(jnp.where(labels != 0, -logits, logits))


@helpful
def multiclass_hinge_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """`max(scores + 1 - one_hot(label)) - scores[label]` over the last axis.

    Args:
      scores: floating point `[..., classes]`.
      labels: integers in `[0, classes)`, of the scores' shape without the last axis.

    Returns:
      The labels' shape. Under a transformation, where values can't be looked at, a label that is no class gives NaN.

    Raises:
      ValueError: labels are not integers or no classes, the shapes don't fit, or scores are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.multiclass_hinge_loss(jnp.asarray([2.0, 1.5, 0.0]), jnp.asarray(0)))
      0.5

    Source: Crammer and Singer, "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines" (2001).
    """
    scores, right, hot, known = _scores(scores, labels)
    return jnp.where(known, jnp.max(scores + 1 - hot, axis=-1) - right, jnp.nan)


@helpful
def multiclass_perceptron_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """`max(scores) - scores[label]` over the last axis; arguments and errors as for `multiclass_hinge_loss`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.multiclass_perceptron_loss(jnp.asarray([2.0, 1.5, 0.0]), jnp.asarray(1)))
      0.5

    Source: Collins, "Discriminative Training Methods for Hidden Markov Models" (2002).
    """
    scores, right, _, known = _scores(scores, labels)
    return jnp.where(known, jnp.max(scores, axis=-1) - right, jnp.nan)


@helpful
def multiclass_sparsemax_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """The loss whose predicted probabilities `p` are the point of the simplex nearest to the scores.

    `sum(p * (scores - scores[label])) + (1 - sum(p**2)) / 2` over the last axis, with the gradient
    `p - one_hot(label)`. Arguments and errors as for `multiclass_hinge_loss`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.multiclass_sparsemax_loss(jnp.asarray([2.0, 0.0, 0.0]), jnp.asarray(0)))
      0.0

    Source: Martins and Astudillo, "From Softmax to Sparsemax" (2016), equation 18.
    """
    # To sort parts of an explicit mesh is not differentiable in every version of JAX.
    scores, right, hot, known = whole_on_each(_scores(scores, labels))
    return jnp.where(known, _sparsemax(scores, right, hot), jnp.nan)


@jax.custom_jvp
def _sparsemax(scores: Array, right: Array, hot: Array) -> Array:
    p = _nearest_on_simplex(scores).astype(scores.dtype)
    # Differences to the label's score, exactly 0 at the label and where a class is ruled out.
    ahead = jnp.where((hot == 1) | (p == 0), 0, scores - right[..., None])
    return (p * ahead).sum(axis=-1) + 0.5 * (1 - jnp.square(p).sum(axis=-1))


@_sparsemax.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    # The point is where the loss has no slope along the simplex: what it moves by would only cancel.
    p = _nearest_on_simplex(primals[0]).astype(primals[0].dtype)
    return _sparsemax(*primals), (p * (tangents[0] - tangents[1][..., None])).sum(axis=-1)


def _nearest_on_simplex(scores: Array) -> Array:
    """The nearest point whose entries are not negative and sum to 1, along the last axis, in at least float32."""
    wide = scores.astype(joined(scores.dtype, jnp.float32))
    below = wide - jax.lax.stop_gradient(wide.max(axis=-1, keepdims=True))
    ordered = -jnp.sort(-below, axis=-1)
    sums = jnp.cumsum(ordered, axis=-1)
    taken = jnp.arange(1, scores.shape[-1] + 1, dtype=wide.dtype).reshape((1,) * (scores.ndim - 1) + (-1,))
    count = (1 + taken * ordered > sums).sum(axis=-1, keepdims=True)
    level = (jnp.take_along_axis(sums, count - 1, axis=-1, mode="clip") - 1) / count.astype(wide.dtype)
    return jnp.maximum(below - level, 0)


@helpful
def multilabel_margin_loss(scores: ArrayLike, labels: ArrayLike, margin: ArrayLike = 1.0) -> Array:
    """Mean of `max(0, margin - (score of a label that applies - score of one that doesn't))` over all such pairs.

    It is 0 once every label that applies is ahead of every other by the margin, and for rows where all or none apply.

    Args:
      scores: floating point `[..., k]`.
      labels: 0 or 1, of the same shape: which labels apply.
      margin: positive.

    Returns:
      `[...]`. The mean is over the row's pairs; PyTorch's loss of this name divides by `k` instead.

    Raises:
      ValueError: the shapes differ, scores are not floating point, a concrete label is neither 0 nor 1.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.multilabel_margin_loss(jnp.asarray([2.0, 1.5, 0.0]), jnp.asarray([1, 0, 0])))
      0.25

    Source: Schapire and Singer, "BoosTexter" (2000), for the pairs of labels; with the hinge of Elisseeff and Weston,
    "A Kernel Method for Multi-Labelled Classification" (2001).
    """
    scores, labels = pair(scores, labels, "scores", "labels")
    between("labels", labels, 0, 1)
    labels = jnp.broadcast_to(labels, scores.shape)
    if scores.ndim == 0:
        raise ValueError("scores: expected shape [..., k], got a number")
    gap = scores[..., :, None] - scores[..., None, :]
    pairs = labels[..., :, None] * (1 - labels[..., None, :])
    short = jnp.maximum(0, number("margin", margin, jnp.zeros((), scores.dtype), low=0) - gap)
    count = pairs.sum(axis=(-2, -1))
    return (pairs * short).sum(axis=(-2, -1)) / jnp.where(count == 0, 1, count)


@helpful
def triplet_margin_loss(
    anchors: ArrayLike,
    positives: ArrayLike,
    negatives: ArrayLike,
    axis: int = -1,
    norm_degree: ArrayLike = 2,
    margin: ArrayLike = 1.0,
    eps: ArrayLike = 1e-6,
) -> Array:
    """`max(distance(anchor, positive) - distance(anchor, negative) + margin, 0)`.

    The distance is `(sum(abs(a - b)**norm_degree) + eps)**(1 / norm_degree)` over `axis`.

    Args:
      anchors, positives, negatives: floating point `[..., dim]`, of one shape.
      axis: the vectors' axis.
      norm_degree: of the distance, at least 1; 2 is the Euclidean one.
      margin: how much nearer than the negative the positive shall be.
      eps: keeps the gradient finite where two vectors coincide.

    Returns:
      `[...]`.

    Raises:
      ValueError: the shapes differ, or vectors are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> a, p, n = jnp.zeros(2), jnp.asarray([0.6, 0.8]), jnp.asarray([0.0, 1.5])
      >>> round(float(jaxbm.losses.triplet_margin_loss(a, p, n)), 4)
      0.5

    Source: Balntas et al., "Learning local feature descriptors with triplets and shallow convolutional neural
    networks" (2016).
    """
    anchors = floating("anchors", anchors)
    others = []
    for name, given in (("positives", positives), ("negatives", negatives)):
        other = floating(name, given)
        if other.shape != anchors.shape:
            raise ValueError(f"{name}: expected the anchors' shape {list(anchors.shape)}, got {list(other.shape)}")
        others.append(other.astype(anchors.dtype))
    axes = axes_of(axis, anchors.ndim)
    degree, gap, least = (
        number(name, value, jnp.zeros((), anchors.dtype), low, ends=True)
        for name, value, low in (("norm_degree", norm_degree, 1), ("margin", margin, -jnp.inf), ("eps", eps, 0))
    )
    near, far = (
        jnp.power(_power(anchors - other, norm_degree, degree).sum(axes) + least, 1 / degree) for other in others
    )
    return jnp.maximum(near - far + gap, 0)


def _power(difference: Array, given: ArrayLike, degree: Array) -> Array:
    # The square needs no logarithm, and its derivatives at 0 are exact.
    if isinstance(given, int | float) and given == 2:
        return jnp.square(difference)
    return jnp.power(jnp.abs(difference), degree)


def _scores(scores: ArrayLike, labels: ArrayLike) -> tuple[Array, Array, Array, Array]:
    """Scores, that of each label, one-hot labels, and which labels are classes."""
    scores = floating("scores", scores)
    if scores.ndim == 0:
        raise ValueError("scores: expected shape [..., classes], got a number")
    index, known = class_labels(labels, scores.shape[:-1], scores.shape[-1])
    right = jnp.take_along_axis(scores, index[..., None], axis=-1, mode="clip")[..., 0]
    return scores, right, jax.nn.one_hot(index, scores.shape[-1], dtype=scores.dtype), known
