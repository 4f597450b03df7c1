"""Sums by class that stay right beyond 2**24 rows, where float32 can't count by ones any more."""

import jax.numpy as jnp
from jax import Array, lax

BLOCK = 4096
"""Rows that are summed by plain additions; blocks are added with what their additions lose."""


def by_class(index: Array, weights: Array | None, size: int) -> Array:
    """`[size]`: how many rows, or how much weight, each class has; in float32, or the weights' wider dtype.

    Args:
      index: int32 `[n]`, from 0 to `size - 1`.
      weights: floating point `[n]`, at least float32; None counts rows, exactly up to 2**31.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.core.counts import by_class
      >>> by_class(jnp.asarray([0, 2, 2]), None, 3).tolist()
      [1.0, 0.0, 2.0]
    """
    if weights is None:
        return jnp.zeros(size, jnp.int32).at[index].add(1).astype(jnp.float32)
    n = index.shape[0]
    block = max(BLOCK, 4 * size)  # so that the table of blocks is never larger than the rows
    if n <= block:
        return jnp.zeros(size, weights.dtype).at[index].add(weights)
    blocks = -(-n // block)
    place = index + size * (lax.iota(jnp.int32, n) // block)
    sums = jnp.zeros(blocks * size, weights.dtype).at[place].add(weights).reshape(blocks, size)
    zero = jnp.zeros((), weights.dtype)
    total, lost = lax.reduce((sums, jnp.zeros_like(sums)), (zero, zero), _add, (0,))
    return total + lost


def _add(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
    """The rounded sum, and everything that rounding took (Knuth's two-sum)."""
    (x, x_lost), (y, y_lost) = a, b
    total = x + y
    part = total - x
    return total, x_lost + y_lost + ((x - (total - part)) + (y - part))
