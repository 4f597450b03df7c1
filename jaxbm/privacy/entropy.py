"""A key that nobody can know."""

import os

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def entropy_key() -> Array:
    """A JAX key from the system's entropy: who knows a private run's key can take its noise off again.

    Example:
      >>> import jax
      >>> from jaxbm.privacy import entropy_key
      >>> jax.random.normal(entropy_key(), (3,)).shape
      (3,)
    """
    return jax.random.wrap_key_data(jnp.asarray(np.frombuffer(os.urandom(8), np.uint32)), impl="threefry2x32")
