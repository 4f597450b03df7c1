"""The losses by name."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from jaxbm.core.names import lookup
from jaxbm.losses import binary, margin, regression, softmax


class LossEntry(NamedTuple):
    """A loss, and what those who take it by name need to know."""

    function: Callable[..., Array]
    labels: str
    """which labels it takes, see `LABELS`"""
    tasks: tuple[str, ...] = ()
    """of tables that it fits: "binary", "multiclass", "regression"; the first loss of a task is its default"""

    @property
    def name(self) -> str:
        """What the loss is called."""
        return self.function.__name__

    @property
    def numbers(self) -> dict[str, float]:
        """Its hyper-parameters that are numbers, with the values that training by name uses."""
        given = {name: p.default for name, p in inspect.signature(self.function).parameters.items()}
        return {name: float(value) for name, value in given.items() if isinstance(value, float)}


#: Kinds of labels, each with what it means.
LABELS = {
    "real": "numbers, as many for a row as there are outputs",
    "binary": "0 to 1, one for each output",
    "sign": "-1 or 1, one for each output",
    "class": "one integer for each row, 0 to classes - 1",
    "distribution": "for each row the probabilities of all classes",
}

#: Every loss that `fit` knows by name, once.
TABLE = (
    LossEntry(regression.squared_error, "real", ("regression",)),
    LossEntry(regression.l2_loss, "real", ("regression",)),
    LossEntry(regression.absolute_error, "real", ("regression",)),
    LossEntry(regression.huber_loss, "real", ("regression",)),
    LossEntry(regression.log_cosh, "real", ("regression",)),
    LossEntry(softmax.softmax_cross_entropy, "distribution"),
    LossEntry(softmax.safe_softmax_cross_entropy, "distribution"),
    LossEntry(softmax.poly_loss_cross_entropy, "distribution"),
    LossEntry(softmax.softmax_cross_entropy_with_integer_labels, "class", ("multiclass",)),
    LossEntry(margin.multiclass_hinge_loss, "class"),
    LossEntry(margin.multiclass_perceptron_loss, "class"),
    LossEntry(margin.multiclass_sparsemax_loss, "class"),
    LossEntry(binary.sigmoid_binary_cross_entropy, "binary", ("binary",)),
    LossEntry(binary.sigmoid_focal_loss, "binary", ("binary",)),
    LossEntry(margin.sparsemax_loss, "binary"),
    LossEntry(margin.hinge_loss, "sign"),
    LossEntry(margin.perceptron_loss, "sign"),
)

#: The same as functions by name.
LOSSES: dict[str, Callable[..., Array]] = {entry.name: entry.function for entry in TABLE}


def entry_of(loss: object) -> LossEntry | None:
    """The entry of a loss that is given by name or as the function itself; None for a function of one's own."""
    found = (entry for entry in TABLE if loss == entry.name or loss is entry.function)
    return next(found, None)


def kind_of(loss: object) -> str | None:
    """Which labels the loss takes, see `LABELS`; None for a function of one's own.

    Example:
      >>> from jaxbm.losses import kind_of
      >>> kind_of("huber_loss"), kind_of(lambda logits, labels: logits - labels)
      ('real', None)
    """
    entry = entry_of(loss)
    return None if entry is None else entry.labels


def losses_for(task: str) -> tuple[str, ...]:
    """Names of the losses that fit a task of tables, the default first.

    Example:
      >>> from jaxbm.losses import losses_for
      >>> losses_for("binary")
      ('sigmoid_binary_cross_entropy', 'sigmoid_focal_loss')
    """
    return tuple(entry.name for entry in TABLE if task in entry.tasks)


def loss(name: str) -> Callable[..., Array]:
    """The loss called `name`; raises ValueError with the nearest valid name.

    Example:
      >>> import jaxbm
      >>> jaxbm.losses.loss("huber_loss").__name__
      'huber_loss'
    """
    return lookup("loss", name, LOSSES)
