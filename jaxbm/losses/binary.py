"""Cross-entropies of two classes, from one logit."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.losses.arguments import pair


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
    logits, labels = pair(logits, labels, "logits", "labels")
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
    logits, labels = pair(logits, labels, "logits", "labels")
    assert labels is not None
    # 1 - p_t = p + y - 2 p y; its logarithm for hard labels is that of a sigmoid, which never underflows to a NaN.
    p = jax.nn.sigmoid(logits)
    wrong = p * (1 - labels) + jax.nn.sigmoid(-logits) * labels
    tiny = jnp.finfo(logits.dtype).tiny
    factor = jnp.exp(gamma * jnp.log(jnp.maximum(wrong, tiny))) if gamma != 0 else jnp.ones_like(wrong)
    loss = factor * (jax.nn.softplus(logits) - labels * logits)
    return loss if alpha is None else loss * (alpha * labels + (1 - alpha) * (1 - labels))
