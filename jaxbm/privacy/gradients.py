"""The arithmetic of one private step: gradients clipped row by row, and Gaussian noise."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import counter
from jaxbm.core.counter import Words


def clipped_examples(grads: Any, clip_norm: ArrayLike) -> Any:
    """Each row's gradient, scaled down to norm `clip_norm` where it is longer.

    The norm that is divided by is an upper bound of the true one, whatever the order in which its squares were added
    up: so no row's result is longer than `clip_norm`, not even by rounding. A gradient that is not finite, or whose
    squares overflow, becomes zero.

    Args:
      grads: a pytree of float `[rows, ...]`.
      clip_norm: positive.

    Returns:
      The same tree, in at least float32.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.privacy import clipped_examples
      >>> clipped = clipped_examples({"weight": jnp.asarray([[3.0, 4.0], [0.3, 0.4]])}, 1.0)
      >>> [[round(v, 3) for v in row] for row in clipped["weight"].tolist()]
      [[0.6, 0.8], [0.3, 0.4]]

    Source: Abadi et al., "Deep learning with differential privacy" (2016), algorithm 1.
    """
    leaves, tree = jax.tree.flatten(grads)
    wide = [leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)) for leaf in leaves]
    squares = [jnp.square(leaf).reshape(leaf.shape[0], -1).sum(axis=1) for leaf in wide]
    norms = jnp.sqrt(sum(squares[1:], squares[0]))
    # A sum of n terms is off by n / 2 roundings at most, the root by half of that; a few are for what comes after it.
    terms = sum(math.prod(leaf.shape[1:]) for leaf in leaves)
    above = norms * (1 + (terms + 16) * 2.0**-24)
    scale = jnp.where(above > clip_norm, clip_norm / jnp.where(above > 0, above, 1), 1)
    usable = jnp.isfinite(norms)

    def scaled(leaf: Array) -> Array:
        shape = (-1, *[1] * (leaf.ndim - 1))
        return jnp.where(usable.reshape(shape), leaf * scale.reshape(shape).astype(leaf.dtype), 0)

    return jax.tree.unflatten(tree, [scaled(leaf) for leaf in wide])


def gaussian_noise(stream: Words, like: Any, deviation: ArrayLike) -> Any:
    """Independent normal numbers of this standard deviation, in the shapes of the tree `like`, float32 or wider.

    By the transformation of two uniform numbers, each from 32 bits that are hashed from the stream and counted on.

    Source: Box and Muller, "A note on the generation of random normal deviates" (1958).
    """
    leaves, tree = jax.tree.flatten(like)
    made = []
    for number, leaf in enumerate(leaves):
        own = counter.derive(stream, number)
        places = jax.lax.iota(jnp.uint32, math.prod(leaf.shape))
        bits = counter.bits_2d(own, places, jnp.arange(2, dtype=jnp.uint32))
        # In (0, 1], of all 32 bits: what is closest to 0 decides how far out the tail reaches, here 6.7 deviations.
        first = (bits[:, 0].astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)
        turn = (bits[:, 1] >> 8).astype(jnp.float32) * jnp.float32(2 * math.pi * 2.0**-24)
        normal = jnp.sqrt(-2 * jnp.log(first)) * jnp.cos(turn)
        dtype = jnp.promote_types(leaf.dtype, jnp.float32)
        made.append((normal * deviation).reshape(leaf.shape).astype(dtype))
    return jax.tree.unflatten(tree, made)
