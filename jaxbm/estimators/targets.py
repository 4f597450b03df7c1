"""Targets as training takes them: which loss, how many outputs, what the outputs mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import xlogy
from scipy.special import expit
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target, unique_labels

from jaxbm import losses
from jaxbm.core.words import counted, some
from jaxbm.estimators.weights import MOST
from jaxbm.losses.meaning import class_probabilities
from jaxbm.run.contract import Loss


def half_poisson_deviance(logits: Array, labels: Array) -> Array:
    """`y * log(y / exp(z)) - y + exp(z)`, elementwise: half the Poisson deviance of counts `y` and rates `exp(z)`."""
    return xlogy(labels, labels) - labels * logits - labels + jnp.exp(logits)


@dataclass(frozen=True)
class Kind:
    """What a target is.

    Args:
      name: "binary", "multiclass", "multilabel", "identity" (a quantity) or "exp" (a rate).
      loss: of the core.
      out_activation: scikit-learn's name of what turns the outputs into predictions.
      summed: its loss is a sum over outputs, where the core's is their mean; so is the gradient, for all kinds.
    """

    name: str
    loss: Loss
    out_activation: str
    summed: bool = False


KINDS = {
    "binary": Kind("binary", losses.sigmoid_binary_cross_entropy, "logistic"),
    "multilabel": Kind("multilabel", losses.sigmoid_binary_cross_entropy, "logistic", summed=True),
    "multiclass": Kind("multiclass", losses.softmax_cross_entropy_with_integer_labels, "softmax"),
    "squared_error": Kind("identity", losses.l2_loss, "identity"),
    "poisson": Kind("exp", half_poisson_deviance, "exp", summed=True),
}


def outputs_of(out_activation: str, logits: np.ndarray) -> np.ndarray:
    """Predictions `[..., out]` from logits, in their dtype."""
    if out_activation == "softmax":
        return class_probabilities(logits)
    if out_activation == "logistic":
        return expit(logits)
    return np.exp(logits) if out_activation == "exp" else logits


@dataclass(frozen=True)
class Targets:
    """The labels of all rows, checked and encoded.

    Args:
      kind: what they are.
      labels: float `[n]` or `[n, out]`, or int32 `[n]` for class numbers.
      outputs: of the network.
    """

    kind: Kind
    labels: np.ndarray
    outputs: int

    @property
    def gradient_scale(self) -> int:
        """Over how many outputs the core's loss is a mean, where scikit-learn's gradient is that of their sum."""
        return self.labels.shape[1] if self.labels.ndim == 2 else 1

    @property
    def loss_scale(self) -> int:
        """By what a loss of the core is multiplied to be the one that is reported."""
        return self.gradient_scale if self.kind.summed else 1


def class_targets(codes: np.ndarray, classes: int) -> Targets:
    """Class numbers `[n]`."""
    if classes <= 2:
        return Targets(KINDS["binary"], codes.astype(np.float32), 1)
    return Targets(KINDS["multiclass"], codes.astype(np.int32), classes)


def known_codes(y: Any, classes: np.ndarray) -> np.ndarray | None:
    """The class numbers of labels that are all known; None where there is more to find out, or to say."""
    if getattr(y, "ndim", 0) != 1 or y.dtype.kind != classes.dtype.kind or y.dtype.kind not in "biuU":
        return None
    codes = classes.searchsorted(y)
    found = classes.take(codes, mode="clip")
    # Bytes are compared sooner than numbers.
    is_known = found.tobytes() == y.tobytes() if found.dtype == y.dtype else (found == y).all()
    return codes if is_known else None


def indicator_targets(indicator: np.ndarray) -> Targets:
    """0 or 1 `[n, labels]`."""
    return Targets(KINDS["multilabel"], np.asarray(indicator, np.float32), indicator.shape[1])


def quantity_targets(y: np.ndarray, loss: str) -> Targets:
    """Numbers `[n]` or `[n, out]`.

    Raises:
      ValueError: negative numbers for a Poisson loss, or numbers beyond float32.
    """
    labels = y if y.dtype == np.float32 else np.asarray(y, np.float64)
    if len(y) and np.abs(labels).max() > np.finfo(np.float32).max:
        raise ValueError("y: expected numbers within the range of float32, in which training computes")
    if loss == "poisson" and (labels < 0).any():
        raise ValueError("y: expected numbers of at least 0 for loss='poisson', got a negative one")
    return Targets(KINDS[loss], labels, 1 if labels.ndim == 1 else labels.shape[1])


def one_column(y: Any) -> Any:
    """`[n]` of `[n, 1]`, with scikit-learn's warning; anything else as it is."""
    return column_or_1d(y, warn=True) if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1 else y


def as_typed(y: Any) -> Any:
    """Python's own numbers and booleans in an array of objects, as the array that NumPy makes of them."""
    if getattr(getattr(y, "dtype", None), "kind", "") != "O" or not len(y):
        return y
    objects = np.asarray(y)
    if isinstance(objects.flat[0], str):
        return y
    found = np.asarray(objects.tolist())
    return found if found.shape == objects.shape and found.dtype.kind in "biuf" else y


def classes_of(y: Any) -> tuple[bool, np.ndarray]:
    """Whether there are several labels for each sample, and all classes.

    Raises:
      ValueError: they are of no kind that a classifier takes.
    """
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU":
        classes = np.unique(y).astype(y.dtype.newbyteorder("="), copy=False)
        if 2 * len(classes) <= len(y):  # nothing to find out or to warn of, which takes longer than a short training
            return False, classes
    kind = type_of_target(y, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError("y: expected one class for each sample or an indicator of labels, got several classes each")
    if kind not in ("binary", "multiclass", "multilabel-indicator"):
        raise ValueError(f"Unknown label type: {kind}. y: expected classes; JaxMLPRegressor is for numbers")
    return kind == "multilabel-indicator", unique_labels(y)


def check_classes(classes: np.ndarray, known: np.ndarray, *, all_again: bool) -> None:
    """ValueError where a further call's classes are not among those of the first; `all_again` wants each of these."""
    if all_again:
        if set(classes) != set(known):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {known}, `y` has {classes}"
            )
    elif len(unseen := np.setdiff1d(classes, known)):
        told = ", ".join(repr(label) for label in unseen[:5].tolist())
        raise ValueError(
            f"y: expected the {counted(len(known), 'class', 'classes')} of the first call, got {told} besides"
        )


def class_factors(given: Mapping[Any, float] | str, classes: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """`[n]`: by how much `class_weight`, a mapping or "balanced", lets each row count; `codes` number its classes."""
    if isinstance(given, Mapping):
        for label, value in given.items():
            if not isinstance(value, Real) or not 0 <= value <= MOST:
                raise InvalidParameterError(
                    f"The 'class_weight' parameter must hold numbers from 0 to {MOST:g}. "
                    f"Got {value!r} for class {label!r} instead."
                )
        known = classes.tolist()
        strange, without = [label for label in given if label not in known], [c for c in known if c not in given]
        if strange and without:  # as scikit-learn: a fold may lack a class, but a misspelled one counts for nothing
            told = [some([repr(label) for label in labels], 5) for labels in (known, strange)]
            raise ValueError(f"class_weight: expected classes among {told[0]}, got {told[1]}")
        of_class: Any = [given.get(label, 1.0) for label in known]
    else:
        present = np.unique(codes)
        of_class = np.ones(len(classes))
        of_class[present] = compute_class_weight("balanced", classes=present, y=codes)
    return np.asarray(of_class, np.float64)[codes]
