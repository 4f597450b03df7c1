"""Activation functions by name. They are JAX's own, but for `sin`; this file only names them."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from jaxbm.core.checks import is_hashable, told
from jaxbm.core.names import lookup

Activation = Callable[[Array], Array]


def identity(x: Array) -> Array:
    """`x` unchanged."""
    return x


gelu_tanh = partial(jax.nn.gelu, approximate=True)
gelu_exact = partial(jax.nn.gelu, approximate=False)

#: Every activation that `MLP` accepts by name, once: elementwise ones, so that padding changes nothing. Any function
#: `[..., units] -> [..., units]` is an activation, too. `gelu` is the exact (erf) form, as in Keras and PyTorch; the
#: tanh approximation, JAX's own default, is called `gelu_tanh`.
ACTIVATIONS: dict[str, Activation] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,  # slope 0.01 for x < 0
    "elu": jax.nn.elu,  # alpha 1
    "gelu": gelu_exact,
    "gelu_tanh": gelu_tanh,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "identity": identity,
    "sin": jnp.sin,  # as in SIREN, with weight_init="siren"
    "mish": jax.nn.mish,
    "swish": jax.nn.swish,  # another name of silu
    "relu6": jax.nn.relu6,
    "selu": jax.nn.selu,
    "celu": jax.nn.celu,  # alpha 1
    "squareplus": jax.nn.squareplus,  # b 4
    "soft_sign": jax.nn.soft_sign,
    "log_sigmoid": jax.nn.log_sigmoid,
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "hard_silu": jax.nn.hard_silu,
    "hard_swish": jax.nn.hard_swish,  # another name of hard_silu
    "hard_tanh": jax.nn.hard_tanh,
    "sparse_plus": jax.nn.sparse_plus,
    "sparse_sigmoid": jax.nn.sparse_sigmoid,
}


def activation(given: str | Activation, name: str = "activation") -> Activation:
    """The activation function called so, or the function itself.

    Args:
      given: a name of `ACTIVATIONS`, or any function.
      name: what messages call the argument.

    Raises:
      ValueError: it is a name that is not in `ACTIVATIONS`; the nearest valid name is suggested.
      TypeError: it is neither a name nor a hashable function.

    Example:
      >>> from jaxbm.models.activations import activation
      >>> float(activation("relu")(-2.0))
      0.0
    """
    if callable(given) and is_hashable(given):
        return given
    if not isinstance(given, str):
        raise TypeError(f"{name}: expected a name or a hashable function, got {told(given)}")
    return lookup(name, given, ACTIVATIONS)


def named(given: str | Activation) -> str | Activation:
    """The name of an activation of ours that is given as a function; anything else as it is."""
    if isinstance(given, str):
        return given
    return next((name for name, function in ACTIVATIONS.items() if function is given), given)


def title(given: str | Activation) -> str:
    """What an activation is called: its name, or its function's."""
    return given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
