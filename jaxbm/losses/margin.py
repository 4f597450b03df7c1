"""Losses that ask for a margin and give no probabilities."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.losses.arguments import pair


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
