"""Weights of any size, made fit for sums in float32."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.checks import is_traced

LARGE = 2.0**60
"""Sums of weights that lie between its inverse and it neither overflow nor vanish in float32."""


def scaled(weights: Array, dtype: Any = jnp.float32) -> Array:
    """`weights` in `dtype`, all multiplied by one power of two, so that their sums stay finite and don't vanish.

    A power of two rounds nothing, so ratios of sums are the same bit for bit. Under a transformation weights below
    the smallest normal number of the dtype count as zero, as the processor takes them; else they are scaled first.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.core.weights import scaled
      >>> scaled(jnp.asarray([2.0**100, 2.0**101])).tolist()
      [0.25, 0.5]
    """
    dtype = jnp.dtype(dtype)
    if is_traced(weights):
        wide = weights.astype(dtype)
        largest = jax.lax.stop_gradient(jnp.max(wide, initial=0))
        mantissa, _ = jnp.frexp(largest)
        # An eighth of the power of two that is above a large one: its inverse, too, is a normal number.
        part = jnp.where(largest >= 1, 8 * mantissa, mantissa)
        return wide / jnp.where(largest > 0, largest / jnp.where(largest > 0, part, 1), 1)
    host = np.asarray(jax.device_get(weights))
    host = host if host.dtype == np.float64 else host.astype(np.float32)
    largest = host.max(initial=0)
    if largest == 0 or 1 / LARGE < largest < LARGE or not np.isfinite(largest):
        return weights.astype(dtype)
    return jnp.asarray(np.ldexp(host, -int(np.frexp(largest)[1])), dtype)
