"""Cross-entropies of two classes, from one logit."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import number, pair


@helpful
def sigmoid_binary_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """`-labels * log(sigmoid(logits)) - (1 - labels) * log(1 - sigmoid(logits))`, elementwise.

    Neither value nor gradient cancels, for labels 0 as for labels 1: a loss of 1e-30 has all its digits.

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
    return _cross_entropy(logits, labels)


@helpful
def sigmoid_focal_loss(
    logits: ArrayLike, labels: ArrayLike, alpha: ArrayLike | None = None, gamma: ArrayLike = 2.0
) -> Array:
    """Binary cross-entropy times `(1 - p_t)**gamma`, elementwise, `p_t` being the right label's probability.

    Args:
      logits, labels: as for `sigmoid_binary_cross_entropy`.
      alpha: weight of the positive label, `1 - alpha` of the negative one; None weighs neither.
      gamma: how strongly easy examples are weighed down; 0 gives the cross-entropy. Like alpha a number or an array
        that fits the logits.

    Raises:
      ValueError: the shapes differ, or logits are not floating point.

    Example:
      >>> import jaxbm
      >>> round(float(jaxbm.losses.sigmoid_focal_loss(0.0, 1.0)), 4)
      0.1733

    Source: Lin et al., "Focal Loss for Dense Object Detection" (2017), equations 4 and 5.
    """
    logits, labels = pair(logits, labels, "logits", "labels")
    exponent = number("gamma", gamma, logits)
    loss = jnp.exp(exponent * _log_wrong(logits, labels)) * _cross_entropy(logits, labels)
    if alpha is None:
        return loss
    share = number("alpha", alpha, logits)
    return loss * (share * labels + (1 - share) * (1 - labels))


@jax.custom_jvp
def _log_wrong(z: Array, y: Array) -> Array:
    """`log(p * (1 - y) + (1 - p) * y)`: for hard labels the logarithm of a sigmoid, which never underflows."""
    small = jnp.exp(-jnp.abs(z))
    large_counts, small_counts = jnp.where(z < 0, y, 1 - y), jnp.where(z < 0, 1 - y, y)
    mixed = jnp.log(jnp.where(large_counts == 0, 1, large_counts + small_counts * small))
    return jnp.where(large_counts == 0, -jnp.abs(z), mixed) - jnp.log1p(small)


@_log_wrong.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (z, y), (dz, dy) = primals, tangents
    p, not_p = _sigmoids(z)
    inside = jnp.where((y > 0) & (y < 1), y, 0.5)  # hard labels divide by nothing that underflows
    share = p * (1 - inside) / (p * (1 - inside) + not_p * inside)
    share = jnp.where(y <= 0, 1, jnp.where(y >= 1, 0, share))
    wrong = jnp.maximum(p * (1 - y) + not_p * y, jnp.finfo(z.dtype).tiny)
    by_label = jax.lax.stop_gradient((not_p - p) / wrong)
    return _log_wrong(z, y), (share * not_p - (1 - share) * p) * dz + by_label * dy


@jax.custom_jvp
def _cross_entropy(z: Array, y: Array) -> Array:
    # softplus(z) - y * z would cancel for y = 1. With softplus(z) = max(z, 0) + tail nothing does.
    tail = jnp.log1p(jnp.exp(-jnp.abs(z)))
    return tail + _product(1 - y, jnp.maximum(z, 0)) + _product(y, jnp.maximum(-z, 0))


@_cross_entropy.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (z, y), (dz, dy) = primals, tangents
    p, not_p = _sigmoids(z)
    by_label = jnp.where(jnp.isfinite(z), -z, 0)  # an infinite one times no change would be NaN
    return _cross_entropy(z, y), ((1 - y) * p - y * not_p) * dz + by_label * dy


@jax.custom_jvp
def _sigmoids(z: Array) -> tuple[Array, Array]:
    """`sigmoid(z)` and `1 - sigmoid(z)`, both to full accuracy, by one exponential."""
    small = jnp.exp(-jnp.abs(z))
    large_one, small_one = 1 / (1 + small), small / (1 + small)
    return jnp.where(z < 0, small_one, large_one), jnp.where(z < 0, large_one, small_one)


@_sigmoids.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    # By itself, not by its parts: the absolute value would lose the derivative at 0.
    p, not_p = _sigmoids(*primals)
    slope = p * not_p * tangents[0]
    return (p, not_p), (slope, -slope)


def _product(a: Array, b: Array) -> Array:
    """`a * b` that is 0 where `a` is, even for an infinite `b`."""
    return jnp.where(a == 0, 0, a * b)
