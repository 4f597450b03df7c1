"""Weights of examples as float32, however large or small they were given."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxbm.core.checks import is_traced

LEAST, MOST = 1e-30, 1e30
"""Largest weights between which sums and products of float32 neither overflow nor vanish."""


def example_weights(weight: Any) -> Any:
    """float32 `[..., n]`, scaled by a power of two where float32 would lose them: only their proportions count.

    Args:
      weight: nonnegative `[..., n]`; each row of its own scale. Inside a transformation they stay as they are.

    Example:
      >>> import numpy as np
      >>> from jaxbm.run.weights import example_weights
      >>> tiny = example_weights(np.asarray([2.0**-140, 2.0**-139]))
      >>> tiny.tolist(), example_weights(np.asarray([1.0, 2.0])).tolist()
      ([0.25, 0.5], [1.0, 2.0])
    """
    if is_traced(weight):
        return jnp.asarray(weight, jnp.float32)
    host = np.asarray(weight)
    top = host.max(axis=-1, keepdims=True, initial=0) if host.ndim else np.zeros(())
    strange = np.isfinite(top) & (top > 0) & ((top < LEAST) | (top > MOST))
    if not strange.any():
        return jnp.asarray(weight, jnp.float32)
    wide = np.asarray(host, np.float64)
    exponent = np.where(strange, np.frexp(np.asarray(top, np.float64))[1], 0)
    return jnp.asarray(np.ldexp(wide, -exponent), jnp.float32)
