"""The losses by name."""

from collections.abc import Callable

from jax import Array

from jaxbm.core.names import lookup
from jaxbm.losses.binary import sigmoid_binary_cross_entropy, sigmoid_focal_loss
from jaxbm.losses.margin import hinge_loss
from jaxbm.losses.regression import huber_loss, l2_loss, log_cosh, squared_error
from jaxbm.losses.softmax import (
    safe_softmax_cross_entropy,
    softmax_cross_entropy,
    softmax_cross_entropy_with_integer_labels,
)

#: The losses `fit` knows by name.
LOSSES: dict[str, Callable[..., Array]] = {
    "squared_error": squared_error,
    "l2_loss": l2_loss,
    "huber_loss": huber_loss,
    "log_cosh": log_cosh,
    "softmax_cross_entropy": softmax_cross_entropy,
    "softmax_cross_entropy_with_integer_labels": softmax_cross_entropy_with_integer_labels,
    "safe_softmax_cross_entropy": safe_softmax_cross_entropy,
    "sigmoid_binary_cross_entropy": sigmoid_binary_cross_entropy,
    "sigmoid_focal_loss": sigmoid_focal_loss,
    "hinge_loss": hinge_loss,
}


def loss(name: str) -> Callable[..., Array]:
    """The loss called `name`; raises ValueError with the nearest valid name.

    Example:
      >>> import jaxbm
      >>> jaxbm.losses.loss("huber_loss").__name__
      'huber_loss'
    """
    return lookup("loss", name, LOSSES)
