"""Weights of examples, however large or small, made fit for sums in float32."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.checks import is_traced
from jaxbm.core.device import placed

LARGE = 2.0**60
"""Sums and products of weights between its inverse and it neither overflow nor vanish in float32."""


def scaled(weights: Any, dtype: Any = jnp.float32) -> Array:
    """`weights` in `dtype`; where float32 would lose them, all of a row multiplied by one power of two.

    Only weights' proportions count, and a power of two rounds nothing: ratios of sums are the same bit for bit.
    Inside a transformation weights below the smallest normal number of the dtype are zero, as the processor takes
    them; elsewhere they are scaled first.

    Args:
      weights: nonnegative `[..., n]`; each row of its own scale.
      dtype: floating point.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.weights import scaled
      >>> tiny = scaled(np.asarray([2.0**-140, 2.0**-139]))
      >>> tiny.tolist(), scaled(np.asarray([1.0, 2.0])).tolist()
      ([0.25, 0.5], [1.0, 2.0])
    """
    if is_traced(weights):
        return _scaled_inside(jnp.asarray(weights).astype(dtype))
    host = np.asarray(jax.device_get(weights))
    largest = host.max(axis=-1, keepdims=True, initial=0).astype(np.float64) if host.ndim else host.astype(np.float64)
    strange = (largest > 0) & np.isfinite(largest) & ((largest <= 1 / LARGE) | (largest >= LARGE))
    if not strange.any():
        return jnp.asarray(weights).astype(dtype) if isinstance(weights, Array) else placed(host, dtype)
    exponent = np.where(strange, np.frexp(largest)[1], 0)
    return placed(np.ldexp(host.astype(np.float64), -exponent), dtype)


def as_given(weights: Any, dtype: Any = jnp.float32) -> Array:
    """`weights` in `dtype`, each by itself: no row's weight depends on another's, as differential privacy needs it.

    What the dtype can't hold becomes infinite or zero, for the checks of values to tell.
    """
    if is_traced(weights) or isinstance(weights, Array):
        return jnp.asarray(weights).astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        return jnp.asarray(np.asarray(weights).astype(dtype))


def _scaled_inside(wide: Array) -> Array:
    largest = jax.lax.stop_gradient(jnp.max(wide, axis=-1, keepdims=True, initial=0) if wide.ndim else wide)
    mantissa, _ = jnp.frexp(largest)
    # An eighth of the power of two that is above a large one: its inverse, too, is a normal number.
    part = jnp.where(largest >= 1, 8 * mantissa, mantissa)
    strange = (largest > 0) & ((largest <= 1 / LARGE) | (largest >= LARGE))
    return wide / jnp.where(strange, largest / jnp.where(strange, part, 1), 1)
