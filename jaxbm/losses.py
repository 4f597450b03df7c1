"""Losses, one value per example, with Optax's names, arguments and semantics.

Nothing broadcasts by accident: elementwise losses want equal shapes, so `[n, 1]` against `[n]` is an error.
All are stable for huge logits, and their gradients are finite. float32, float64 and bfloat16 work; the result has
the dtype of the predictions.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.names import lookup

Axis = int | tuple[int, ...] | None


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
    predictions, targets = _pair(predictions, targets)
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
    predictions, targets = _pair(predictions, targets)
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
    predictions, targets = _pair(predictions, targets)
    error = predictions if targets is None else predictions - targets
    return jnp.logaddexp(error, -error) - jnp.asarray(0.6931471805599453, error.dtype)


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
    logits, labels = _distributions("logits", logits, labels)
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
    logits, labels = _distributions("logits", logits, labels)
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
    logits, labels = _floating("logits", logits), jnp.asarray(labels)
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


def sigmoid_binary_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """`-labels * log(sigmoid(logits)) - (1 - labels) * log(1 - sigmoid(logits))`, elementwise.

    Args:
      logits: floating point.
      labels: in `[0, 1]`, of the same shape; a scalar is allowed.

    Raises:
      ValueError: the shapes differ, or logits are not floating point.

    Example:
      >>> import jaxbm
      >>> round(float(jaxbm.losses.sigmoid_binary_cross_entropy(0.0, 1.0)), 4)
      0.6931

    Source: Goodfellow, Bengio and Courville (2016), section 6.2.2.2.
    """
    logits, labels = _pair(logits, labels, "logits", "labels")
    assert labels is not None
    return jax.nn.softplus(logits) - labels * logits


def sigmoid_focal_loss(logits: ArrayLike, labels: ArrayLike, alpha: float | None = None, gamma: float = 2.0) -> Array:
    """Binary cross-entropy times `(1 - p_t)**gamma`, elementwise, `p_t` being the right label's probability.

    Args:
      logits, labels: as for `sigmoid_binary_cross_entropy`.
      alpha: weight of the positive label, `1 - alpha` of the negative one; None weighs neither.
      gamma: how strongly easy examples are weighed down; 0 gives the cross-entropy.

    Raises:
      ValueError: the shapes differ, or logits are not floating point.

    Example:
      >>> import jaxbm
      >>> round(float(jaxbm.losses.sigmoid_focal_loss(0.0, 1.0)), 4)
      0.1733

    Source: Lin et al., "Focal Loss for Dense Object Detection" (2017), equations 4 and 5.
    """
    logits, labels = _pair(logits, labels, "logits", "labels")
    assert labels is not None
    # 1 - p_t = p + y - 2 p y; its logarithm for hard labels is that of a sigmoid, which never underflows to a NaN.
    p = jax.nn.sigmoid(logits)
    wrong = p * (1 - labels) + jax.nn.sigmoid(-logits) * labels
    tiny = jnp.finfo(logits.dtype).tiny
    factor = jnp.exp(gamma * jnp.log(jnp.maximum(wrong, tiny))) if gamma != 0 else jnp.ones_like(wrong)
    loss = factor * (jax.nn.softplus(logits) - labels * logits)
    return loss if alpha is None else loss * (alpha * labels + (1 - alpha) * (1 - labels))


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
    outputs, targets = _pair(predictor_outputs, targets, "predictor_outputs")
    return jnp.maximum(0, 1 - outputs * targets)


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
    log_predictions, targets = _distributions("log_predictions", log_predictions, targets, "targets")
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
    probabilities, labels = _pair(probabilities, labels, "probabilities", "labels")
    assert labels is not None
    floor = jnp.finfo(probabilities.dtype).tiny
    log_p = jnp.log(jnp.maximum(probabilities, floor))
    return -jnp.sum(jnp.where(labels == 0, 0, labels * log_p), axis)


def smooth_labels(labels: ArrayLike, alpha: ArrayLike) -> Array:
    """`(1 - alpha) * labels + alpha / classes` over the last axis.

    Raises:
      ValueError: labels are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> jaxbm.losses.smooth_labels(jnp.asarray([1.0, 0.0]), 0.5).tolist()
      [0.75, 0.25]

    Source: Mueller, Kornblith and Hinton, "When Does Label Smoothing Help?" (2019).
    """
    labels = _floating("labels", labels)
    alpha = jnp.asarray(alpha, labels.dtype)
    return (1 - alpha) * labels + alpha / labels.shape[-1]


def mean(values: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """`sum(weights * values) / sum(weights)`, in at least float32; 0 where all weights are zero.

    A value of weight zero has no influence, even if it is NaN.

    Args:
      values: `[n]`.
      weights: nonnegative `[n]`.

    Raises:
      ValueError: the shapes differ.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.losses.mean(jnp.asarray([1.0, 5.0]), jnp.asarray([3.0, 1.0])))
      2.0
    """
    values = _floating("values", values)
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    if weights is None:
        return wide.mean().astype(values.dtype)
    weights = jnp.asarray(weights, wide.dtype)
    if weights.shape != values.shape:
        raise ValueError(f"weights: expected the values' shape {list(values.shape)}, got {list(weights.shape)}")
    total = weights.sum()
    kept = jnp.where(weights == 0, 0, wide)
    return ((weights * kept).sum() / jnp.where(total == 0, 1, total)).astype(values.dtype)


#: The losses `fit` knows by name.
LOSSES: dict[str, Callable[..., Array]] = {
    "squared_error": squared_error,
    "l2_loss": l2_loss,
    "huber_loss": huber_loss,
    "log_cosh": log_cosh,
    "softmax_cross_entropy": softmax_cross_entropy,
    "softmax_cross_entropy_with_integer_labels": softmax_cross_entropy_with_integer_labels,
    "safe_softmax_cross_entropy": safe_softmax_cross_entropy,
    "sigmoid_binary_cross_entropy": sigmoid_binary_cross_entropy,
    "sigmoid_focal_loss": sigmoid_focal_loss,
    "hinge_loss": hinge_loss,
}


def loss(name: str) -> Callable[..., Array]:
    """The loss called `name`; raises ValueError with the nearest valid name.

    Example:
      >>> import jaxbm
      >>> jaxbm.losses.loss("huber_loss").__name__
      'huber_loss'
    """
    return lookup("loss", name, LOSSES)


def _log_softmax(logits: Array, axis: Axis, where: ArrayLike | None) -> Array:
    shifted, log_total = _normalizer(logits, axis, where)
    return shifted - log_total


def _normalizer(logits: Array, axis: Axis, where: ArrayLike | None) -> tuple[Array, Array]:
    """Logits less the largest one, and the logarithm of the sum of their exponentials."""
    top = jnp.max(logits, axis, keepdims=True, where=where, initial=-jnp.inf)
    shifted = logits - jax.lax.stop_gradient(jnp.where(jnp.isfinite(top), top, 0))
    total = jnp.sum(jnp.exp(shifted), axis, keepdims=True, where=where)
    return shifted, jnp.log(total)


def _floating(name: str, x: ArrayLike) -> Array:
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{name}: expected floating-point values, got dtype {x.dtype}")
    return x


def _pair(
    predictions: ArrayLike, targets: Any, first: str = "predictions", second: str = "targets"
) -> tuple[Array, Any]:
    predictions = _floating(first, predictions)
    if targets is None:
        return predictions, None
    targets = jnp.asarray(targets)
    if targets.ndim and targets.shape != predictions.shape:
        raise ValueError(
            f"{second}: expected the shape of {first}, {list(predictions.shape)}, got {list(targets.shape)}"
        )
    return predictions, targets.astype(predictions.dtype)


def _distributions(first: str, logits: ArrayLike, labels: ArrayLike, second: str = "labels") -> tuple[Array, Array]:
    logits, labels = _floating(first, logits), jnp.asarray(labels)
    fits = labels.ndim == logits.ndim and all(
        a == b or 1 in (a, b) for a, b in zip(labels.shape, logits.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{second}: expected the shape of {first}, {list(logits.shape)}, got {list(labels.shape)}")
    return logits, labels.astype(logits.dtype)
