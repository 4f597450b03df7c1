"""Activation functions by name. They are JAX's own; this file only names them."""

from collections.abc import Callable
from functools import partial

import jax
from jax import Array

from jaxbm.core.names import lookup

Activation = Callable[[Array], Array]


def identity(x: Array) -> Array:
    """`x` unchanged."""
    return x


gelu_tanh = partial(jax.nn.gelu, approximate=True)
gelu_exact = partial(jax.nn.gelu, approximate=False)

#: Every activation that `MLP` accepts, once. `gelu` is the exact (erf) form, as in Keras and PyTorch; JAX's own
#: default is the tanh approximation, here called `gelu_tanh`.
ACTIVATIONS: dict[str, Activation] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,  # slope 0.01 for x < 0
    "elu": jax.nn.elu,  # alpha 1
    "gelu": gelu_exact,
    "gelu_tanh": gelu_tanh,
    "silu": jax.nn.silu,
    "tanh": jax.numpy.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "identity": identity,
}


def activation(name: str) -> Activation:
    """The activation function called `name`.

    Raises:
      ValueError: `name` is not in `ACTIVATIONS`; the nearest valid name is suggested.

    Example:
      >>> from jaxbm.models.activations import activation
      >>> float(activation("relu")(-2.0))
      0.0
    """
    return lookup("activation", name, ACTIVATIONS)
