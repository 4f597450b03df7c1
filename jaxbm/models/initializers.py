"""Weight initialisers by name. They are JAX's own; this file only names them."""

from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import initializers as _jax
from jax.nn.initializers import Initializer

from jaxbm.core.arrays import joined
from jaxbm.core.names import lookup


def _orthogonal(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Any:
    # In at least float32: JAX has no QR decomposition of narrower types.
    del out_sharding
    return _jax.orthogonal()(key, shape, joined(dtype)).astype(dtype)


#: The names `MLP` accepts. Glorot and Xavier are two names of one thing (Glorot and Bengio, 2010), as are He and
#: Kaiming (He et al., 2015).
INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": _jax.glorot_uniform(),
    "glorot_normal": _jax.glorot_normal(),
    "xavier_uniform": _jax.glorot_uniform(),
    "xavier_normal": _jax.glorot_normal(),
    "he_uniform": _jax.he_uniform(),
    "he_normal": _jax.he_normal(),
    "kaiming_uniform": _jax.he_uniform(),
    "kaiming_normal": _jax.he_normal(),
    "lecun_uniform": _jax.lecun_uniform(),
    "lecun_normal": _jax.lecun_normal(),
    "orthogonal": _orthogonal,
    "zeros": _jax.zeros,
    "siren": _jax.he_uniform(),
}
SIREN = "siren"
"""The one that isn't the same in all layers, see `initializer`."""


#: How many times faster the first layer's waves go than those of the features: 30 in SIREN (Sitzmann et al., 2020,
#: section 3.2). It is in the weights here, of the last layer as its inverse.
FREQUENCY = 30.0


def initializer(name: str, layer: int = 1, layers: int = 3) -> Initializer:
    """The initialiser called `name`: a function of `(key, shape, dtype)`.

    "siren" draws from `U(-30 / n, 30 / n)` in the first layer of several, `U(-s, s)` for `s = sqrt(6 / n)` in hidden
    ones and `U(-s / 30, s / 30)` in the last, of `n` inputs each; every other name is the same in all.

    Args:
      name: of `INITIALIZERS`.
      layer, layers: which one of how many, counted from 0.

    Raises:
      ValueError: `name` is not in `INITIALIZERS`; the nearest valid name is suggested.

    Example:
      >>> import jax
      >>> from jaxbm.models.initializers import initializer
      >>> initializer("glorot_uniform")(jax.random.key(0), (20, 64)).shape
      (20, 64)
    """
    found = lookup("weight_init", name, INITIALIZERS)
    if name != SIREN or layers < 2 or 0 < layer < layers - 1:
        return found

    def of_an_end(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Any:
        del out_sharding
        n = shape[0]
        limit = FREQUENCY / n if layer == 0 else sqrt(6 / n) / FREQUENCY
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return of_an_end
