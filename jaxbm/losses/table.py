"""The losses by name, and what those who take one by name need to know of it."""

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from jaxbm.core.names import lookup, unknown
from jaxbm.losses import binary, deviance, distribution, margin, neighbours, order, quantile, regression, softmax

CALL = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.DOTALL)
"""A loss with its hyper-parameters as text: `pinball_loss(quantiles=0.9)`."""


class LossEntry(NamedTuple):
    """A loss, and what those who take it by name need to know."""

    function: Callable[..., Array]
    labels: str
    """which labels it takes, see `LABELS`"""
    tasks: tuple[str, ...] = ()
    """of tables that it fits: "binary", "multiclass", "regression"; the first loss of a task is its default"""
    outputs: str = "scores"
    """what it takes a model's outputs for, see `OUTPUTS`"""

    @property
    def name(self) -> str:
        """What the loss is called."""
        return self.function.__name__

    @property
    def numbers(self) -> dict[str, float]:
        """Its hyper-parameters that are numbers, with the values that training by name uses."""
        return {name: float(value) for name, value in self.defaults.items() if isinstance(value, float)}

    @property
    def defaults(self) -> dict[str, Any]:
        """All of its hyper-parameters, with their defaults."""
        return dict(_defaults(self.function))


@cache
def _defaults(function: Callable[..., Array]) -> tuple[tuple[str, Any], ...]:
    """Asked for by every run: to read a signature takes longer than a step."""
    parameters = list(inspect.signature(function).parameters.values())[2:]
    return tuple((p.name, p.default) for p in parameters if p.name not in ("weights", "axis", "where"))


#: Kinds of labels, each with what it means.
LABELS = {
    "real": "numbers, as many for a row as there are outputs",
    "binary": "0 to 1, one for each output",
    "sign": "-1 or 1, one for each output",
    "class": "one integer for each row, 0 to classes - 1",
    "distribution": "for each row the probabilities of all classes",
    "count": "counts or other numbers that aren't negative, as many for a row as there are outputs",
    "amount": "positive numbers, as many for a row as there are outputs",
    "rank": "one integer for each row, 0 to the number of outputs: classes in an order",
    "event": "two for each row: a time, and 1 where the event was seen then, 0 where it wasn't until then",
    "group": "one integer for each row; rows with the same one belong together",
}

#: What a loss takes outputs for, each with what it means.
OUTPUTS = {
    "scores": "numbers as they are, or scores and logits of classes",
    "log mean": "the logarithm of the mean that is predicted",
    "quantiles": "for each label one output for each quantile",
    "gaussian": "for each label two: the mean and the logarithm of the variance",
    "negative binomial": "for each label two: the logarithms of the mean and of the dispersion",
    "steps": "for each step between ordered classes the log-odds of a label above it",
    "log risk": "the logarithm of the risk: the higher, the sooner the event",
    "embedding": "a place for each row, near to those of its own group",
}

#: Every loss that `fit` knows by name, once.
TABLE = (
    LossEntry(regression.squared_error, "real", ("regression",)),
    LossEntry(regression.l2_loss, "real", ("regression",)),
    LossEntry(regression.absolute_error, "real", ("regression",)),
    LossEntry(regression.huber_loss, "real", ("regression",)),
    LossEntry(regression.log_cosh, "real", ("regression",)),
    LossEntry(quantile.pinball_loss, "real", ("regression",), "quantiles"),
    LossEntry(distribution.gaussian_nll, "real", ("regression",), "gaussian"),
    LossEntry(distribution.gaussian_crps, "real", ("regression",), "gaussian"),
    LossEntry(deviance.poisson_deviance, "count", ("regression",), "log mean"),
    LossEntry(deviance.tweedie_deviance, "count", ("regression",), "log mean"),
    LossEntry(deviance.gamma_deviance, "amount", ("regression",), "log mean"),
    LossEntry(distribution.negative_binomial_nll, "count", ("regression",), "negative binomial"),
    LossEntry(softmax.softmax_cross_entropy, "distribution"),
    LossEntry(softmax.safe_softmax_cross_entropy, "distribution"),
    LossEntry(softmax.poly_loss_cross_entropy, "distribution"),
    LossEntry(softmax.softmax_cross_entropy_with_integer_labels, "class", ("multiclass",)),
    LossEntry(margin.multiclass_hinge_loss, "class"),
    LossEntry(margin.multiclass_perceptron_loss, "class"),
    LossEntry(margin.multiclass_sparsemax_loss, "class"),
    LossEntry(order.ordinal_cross_entropy, "rank", ("multiclass",), "steps"),
    LossEntry(binary.sigmoid_binary_cross_entropy, "binary", ("binary",)),
    LossEntry(binary.sigmoid_focal_loss, "binary", ("binary",)),
    LossEntry(margin.sparsemax_loss, "binary"),
    LossEntry(margin.multilabel_margin_loss, "binary"),
    LossEntry(margin.hinge_loss, "sign"),
    LossEntry(margin.perceptron_loss, "sign"),
    LossEntry(order.cox_loss, "event", outputs="log risk"),
    LossEntry(neighbours.triplet_hard_loss, "group", outputs="embedding"),
)

#: The same as functions by name.
LOSSES: dict[str, Callable[..., Array]] = {entry.name: entry.function for entry in TABLE}


@dataclass(frozen=True)
class KnownLoss:
    """A loss of the table with hyper-parameters of one's own; made by `loss`. Equal ones share a compiled program.

    Example:
      >>> import jaxbm
      >>> nine_tenths = jaxbm.losses.loss("pinball_loss", quantiles=0.9)
      >>> nine_tenths.__name__, float(nine_tenths(1.0, 3.0))
      ('pinball_loss(quantiles=0.9)', 1.7999999523162842)
    """

    entry: LossEntry
    given: tuple[tuple[str, Any], ...] = ()

    def __call__(self, outputs: Any, labels: Any, **weights: Any) -> Array:
        """The loss of each example."""
        return self.entry.function(outputs, labels, **dict(self.given), **weights)

    @property
    def __name__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.given)
        return f"{self.entry.name}({told})" if told else self.entry.name

    @property
    def numbers(self) -> dict[str, Any]:
        """Its hyper-parameters, those by default included."""
        return {**self.entry.defaults, **dict(self.given)}

    @property
    def labels(self) -> str:
        """Which labels it takes, see `LABELS`."""
        power = self.numbers.get("power", 0)
        return "amount" if np.max(power) >= 2 else self.entry.labels

    @property
    def outputs_per_label(self) -> int:
        """How many outputs of the model one label is compared with."""
        if self.entry.outputs == "quantiles":
            return max(1, np.size(self.numbers["quantiles"]))
        return 2 if self.entry.outputs in ("gaussian", "negative binomial") else 1

    def columns(self, outputs: int) -> int:
        """How many labels a row has for a model with so many outputs: 1 for labels `[n]`.

        Raises:
          ValueError: so many outputs don't fit the loss.
        """
        each = self.outputs_per_label
        if outputs % each:
            raise ValueError(
                f"loss: {self.__name__!r} expects {each} outputs for each label, got a model with {outputs}"
            )
        if self.labels in ("class", "rank", "group"):
            return 1
        return 2 if self.labels == "event" else outputs // each


@cache
def _entries() -> dict[Any, LossEntry]:
    return {key: entry for entry in TABLE for key in (entry.name, entry.function)}


def known(loss: Any) -> KnownLoss | None:
    """What the table knows of a loss, given by name, as the function itself or as `loss` made it; None for a function
    of one's own."""
    if isinstance(loss, KnownLoss):
        return loss
    if isinstance(loss, str) and CALL.fullmatch(loss):
        made = globals()["loss"](loss)
        return made if isinstance(made, KnownLoss) else known(made)
    try:
        entry = _entries().get(loss)
    except TypeError:  # a function that can't be hashed is none of ours
        return None
    return None if entry is None else KnownLoss(entry)


def entry_of(loss: object) -> LossEntry | None:
    """The entry of a loss that is given by name or as the function itself; None for a function of one's own."""
    found = known(loss)
    return None if found is None else found.entry


def kind_of(loss: object) -> str | None:
    """Which labels the loss takes, see `LABELS`; None for a function of one's own.

    Example:
      >>> from jaxbm.losses import kind_of
      >>> kind_of("huber_loss"), kind_of(lambda logits, labels: logits - labels)
      ('real', None)
    """
    found = known(loss)
    return None if found is None else found.labels


def columns_of(loss: object, outputs: int) -> int:
    """How many labels a row has: 1 for labels `[n]`. For a loss of one's own, one for each output."""
    found = known(loss)
    return outputs if found is None else found.columns(outputs)


def losses_for(task: str) -> tuple[str, ...]:
    """Names of the losses that fit a task of tables, the default first.

    Example:
      >>> from jaxbm.losses import losses_for
      >>> losses_for("binary")
      ('sigmoid_binary_cross_entropy', 'sigmoid_focal_loss')
    """
    return tuple(entry.name for entry in TABLE if task in entry.tasks)


def loss(name: str, **numbers: Any) -> Callable[..., Array]:
    """The loss called `name`, with the hyper-parameters that are given here or in its name.

    Args:
      name: of `LOSSES`; `"pinball_loss(quantiles=0.9)"` is `loss("pinball_loss", quantiles=0.9)`.
      **numbers: hyper-parameters, as the loss's own documentation has them; sequences for several of one.

    Raises:
      ValueError: there is no such loss or no such hyper-parameter, with the nearest name; or a number is unusable.

    Example:
      >>> import jaxbm
      >>> jaxbm.losses.loss("huber_loss").__name__
      'huber_loss'
      >>> jaxbm.losses.loss("pinball_loss(quantiles=0.9)") == jaxbm.losses.loss("pinball_loss", quantiles=0.9)
      True
    """
    if call := CALL.fullmatch(name):
        name, numbers = call[1], {**_read(name, call[2]), **numbers}
    lookup("loss", name, LOSSES)
    entry = _entries()[name]
    if not numbers:
        return entry.function
    for number in numbers:
        if number not in entry.defaults:
            raise unknown(f"loss: a hyper-parameter of {name!r}", number, entry.defaults)
    given = tuple((key, _plain(key, numbers[key])) for key in entry.defaults if key in numbers)
    made = KnownLoss(entry, given)
    _tried(made)
    return made


def _read(name: str, text: str) -> Mapping[str, Any]:
    try:
        call: Any = ast.parse(f"f({text})", mode="eval").body
        if call.args:
            raise ValueError(text)
        return {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, AttributeError):
        raise ValueError(
            f"loss: expected numbers by name such as pinball_loss(quantiles=0.9), got {name}({text})"
        ) from None


def _plain(name: str, value: Any) -> Any:
    """A hyper-parameter as a Python number or a tuple of such, so that equal losses are equal."""
    host = np.asarray(value)
    if (
        host.dtype.kind not in "iuf"
        or host.ndim > 1
        or not host.size
        or not np.isfinite(host.astype(np.float64)).all()
    ):
        raise ValueError(f"{name}: expected a finite number or several, got {value!r}")
    return float(host) if host.ndim == 0 else tuple(float(one) for one in host)


def _tried(made: KnownLoss) -> None:
    """Raises what the loss says of its numbers, before anything is trained."""
    import jax

    whole = made.labels in ("class", "rank", "group")
    each = made.outputs_per_label
    outputs = np.zeros((2, max(each, 2) if whole or made.labels == "distribution" else each), np.float32)
    columns = made.columns(outputs.shape[1])
    labels = np.ones((2, columns) if columns > 1 else (2,), np.int32 if whole else np.float32)
    jax.eval_shape(made, outputs[:, 0] if each == outputs.shape[1] == 1 else outputs, labels)


def takes_weights(loss: Any) -> bool:
    """Whether a loss compares rows with each other, and so asks for their weights: by a parameter `weights` that is
    given by name alone.

    Example:
      >>> import jaxbm
      >>> jaxbm.losses.takes_weights(jaxbm.losses.cox_loss), jaxbm.losses.takes_weights(jaxbm.losses.l2_loss)
      (True, False)
    """
    found = known(loss)
    function = loss if found is None else found.entry.function
    try:
        parameter = inspect.signature(function).parameters.get("weights")
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind is inspect.Parameter.KEYWORD_ONLY
