"""Cross-entropy of very many classes, whose logits are never in memory all at once."""

import math
import operator

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.losses.arguments import class_labels, floating
from jaxbm.losses.softmax import softmax_cross_entropy_with_integer_labels

LOGITS_OF_BLOCK = 2**24
"""So many logits by default, 64 MiB of float32."""


@helpful
def linear_softmax_cross_entropy(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, labels: ArrayLike, *, block_size: int | None = None
) -> Array:
    """`softmax_cross_entropy_with_integer_labels(x @ weight + bias, labels)`, a block of rows after the other.

    A block's logits are computed, reduced to its losses and forgotten, and for the derivatives computed once more:
    memory holds `block_size * classes` of them instead of all. Where all fit, the plain composition is faster by that
    product.

    Args:
      x: floating point `[..., features]`, what the last layer is given.
      weight: `[features, classes]`.
      bias: `[classes]`, or None.
      labels: integers in `[0, classes)`, of the shape of `x` without its last axis.
      block_size: rows of a block; None takes as many as have 16 million logits.

    Returns:
      Losses, of the labels' shape, in the dtype to which `x`, `weight` and `bias` promote. Under a transformation,
      where values can't be looked at, a label that is no class gives NaN.

    Raises:
      ValueError: shapes don't fit, `x` and `weight` are not floating point, labels are not integers or no classes, or
        `block_size` is not a positive integer.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> x, weight = jnp.ones((4, 3)), jnp.zeros((3, 10))
      >>> loss = jaxbm.losses.linear_softmax_cross_entropy(x, weight, None, jnp.arange(4), block_size=2)
      >>> [round(float(each), 3) for each in loss]
      [2.303, 2.303, 2.303, 2.303]

    Source: Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models" (2025), for the idea; here by
    rematerialization of blocks, so that derivatives of any order and direction are JAX's own.
    """
    x, weight = floating("x", x), floating("weight", weight)
    if x.ndim == 0 or weight.ndim != 2 or weight.shape[0] != x.shape[-1]:
        expected = f"[{x.shape[-1] if x.ndim else 'features'}, classes]"
        raise ValueError(f"weight: expected {expected} for x {list(x.shape)}, got {list(weight.shape)}")
    classes, rows = weight.shape[1], x.shape[:-1]
    bias = jnp.zeros(classes, weight.dtype) if bias is None else floating("bias", bias)
    if bias.shape != (classes,):
        raise ValueError(f"bias: expected [{classes}], one for each class, got {list(bias.shape)}")
    class_labels(labels, rows, classes)
    n, labels = math.prod(rows), jnp.asarray(labels)
    block = _block(block_size, classes)
    dtype = jnp.result_type(x.dtype, weight.dtype, bias.dtype)
    x, weight, bias = x.astype(dtype), weight.astype(dtype), bias.astype(dtype)

    def of_block(of: tuple[Array, Array]) -> Array:
        return softmax_cross_entropy_with_integer_labels(of[0] @ weight + bias, of[1])

    x, labels = x.reshape(n, x.shape[-1]), labels.reshape(n)
    if n <= block:
        return of_block((x, labels)).reshape(rows)
    blocks = -(-n // block)
    blocked = tuple(
        jnp.pad(a, [(0, blocks * block - n)] + [(0, 0)] * (a.ndim - 1)).reshape(blocks, block, *a.shape[1:])
        for a in (x, labels)
    )
    return jax.lax.map(jax.checkpoint(of_block), blocked).reshape(-1)[:n].reshape(rows)


def _block(block_size: int | None, classes: int) -> int:
    if block_size is None:
        return max(1, LOGITS_OF_BLOCK // max(classes, 1))
    try:
        block = operator.index(block_size)
    except TypeError:
        block = 0
    if block < 1 or isinstance(block_size, bool):
        raise ValueError(f"block_size: expected a positive integer or None, got {block_size!r}")
    return block
