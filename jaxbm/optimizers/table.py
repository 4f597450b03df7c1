"""The optimizers by name."""

import inspect
from collections.abc import Callable
from typing import Any

import jax

from jaxbm.core.names import lookup
from jaxbm.optimizers.descent import sgd
from jaxbm.optimizers.moments import adam, adamw

Maker = Callable[..., Any]

#: Every optimizer that is known by name, once: a function of its hyper-parameters.
OPTIMIZERS: dict[str, Maker] = {function.__name__: function for function in (adam, adamw, sgd)}

STATIC = ("nesterov", "mu_dtype", "accumulator_dtype")
"""Arguments of an optimizer that fix the compiled program; all others are numbers, which members may differ in."""


def optimizer(name: str | Maker) -> Maker:
    """The function that makes the optimizer called `name`; a function of one's own as it is.

    Raises:
      TypeError: it is neither; an optimizer that is made already, perhaps.
      ValueError: the name is unknown; the nearest one is suggested.

    Example:
      >>> from jaxbm.optimizers import optimizer
      >>> optimizer("adam")(1e-2).learning_rate
      0.01
    """
    if not (callable(name) or isinstance(name, str)):
        raise TypeError(
            "optimizer: expected a name or a function that makes one from its numbers, such as 'adam' or jaxbm.adam, "
            f"got {type(name).__name__}"
        )
    return name if callable(name) else lookup("optimizer", name, OPTIMIZERS)


def is_data(made: Any) -> bool:
    """Whether an optimizer is numbers, which members may each have their own of, and not functions that hold them.

    Example:
      >>> import jaxbm, optax
      >>> from jaxbm.optimizers import is_data
      >>> is_data(jaxbm.adam(0.1)), is_data(optax.adam(0.1))
      (True, False)
    """
    # An object that is no pytree, such as optax.MultiSteps, is its own leaf.
    return not any(callable(leaf) or leaf is made for leaf in jax.tree.leaves(made))


def numbers_of(name: str | Maker) -> list[str]:
    """The hyper-parameters of an optimizer that are numbers.

    Example:
      >>> from jaxbm.optimizers import numbers_of
      >>> numbers_of("sgd")
      ['learning_rate', 'momentum']
    """
    return [argument for argument in inspect.signature(optimizer(name)).parameters if argument not in STATIC]
