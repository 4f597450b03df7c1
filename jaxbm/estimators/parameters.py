"""What the estimators' parameters may be, and how a wrong one is told."""

from __future__ import annotations

import reprlib
from functools import lru_cache
from numbers import Integral, Real
from operator import attrgetter, is_
from typing import Any

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from jaxbm.core.precision import PRECISIONS
from jaxbm.kernels.registry import ABSENT, IMPLEMENTATIONS
from jaxbm.models.activations import ACTIVATIONS
from jaxbm.models.initializers import INITIALIZERS
from jaxbm.optimizers.protocol import check_schedule
from jaxbm.tabular.recipes import PRESETS

SOLVERS = ("adam", "adamw", "sgd", "lbfgs")

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions({"logistic", *ACTIVATIONS})],
    "solver": [StrOptions(set(SOLVERS))],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "members": [Interval(Integral, 1, None, closed="left")],
    "bootstrap": ["boolean"],
    "dropout": [None, Interval(Real, 0, 1, closed="left")],
    "clip_norm": [None, Interval(Real, 0, None, closed="neither")],
    "weight_init": [StrOptions({"auto", *INITIALIZERS})],
    "learning_rate_schedule": [None, callable],
    "precision": [None, StrOptions(set(PRECISIONS))],
    "implementation": [None, StrOptions({*IMPLEMENTATIONS, *ABSENT})],
    "preset": [None, StrOptions(set(PRESETS))],
}

PLAIN = (type(None), bool, int, float, str)
"""Types of values that say by themselves what they are."""
FLOAT32 = ("alpha", "learning_rate_init", "clip_norm")
LARGEST = float(np.finfo(np.float32).max)
STOCHASTIC_ONLY = ("dropout", "clip_norm", "bootstrap", "learning_rate_schedule")


def check_parameters_again(estimator: Any) -> None:
    """`check_parameters`, but not of the same objects twice, since it takes longer than a step."""
    given = values_of(estimator)
    known = getattr(estimator, "_checked", ())
    if len(known) == len(given) and all(map(is_, known, given)):
        return
    check_parameters(estimator)
    estimator._checked = given


def values_of(estimator: Any) -> tuple[Any, ...]:
    """The estimator's class, twice, and all of its parameters."""
    kind: Any = type(estimator)
    return _values_of(kind)(estimator)


@lru_cache(maxsize=100)
def _values_of(kind: Any) -> attrgetter[tuple[Any, ...]]:
    """All parameters of an estimator of that class at once; its class twice, since of one name there is no tuple."""
    return attrgetter("__class__", "__class__", *kind._get_param_names())


def check_parameters(estimator: Any) -> None:
    """scikit-learn's error for the first parameter that is out of its range, without printing arrays.

    Raises:
      sklearn.utils._param_validation.InvalidParameterError: a ValueError and a TypeError; names the parameter.
    """
    # A subclass's constructor may take fewer; what it hands on counts all the same.
    kind: Any = type(estimator)
    given = {name: getattr(estimator, name) for name in kind._parameter_constraints}
    given |= estimator.get_params(deep=False)
    if all(isinstance(value, PLAIN) or _is_widths(value) for value in given.values()):
        _check_plain(kind, tuple((name, type(value), value) for name, value in given.items()))
    else:
        _check_given(kind, given)


def _is_widths(value: Any) -> bool:
    return type(value) is tuple and all(type(width) is int for width in value)


@lru_cache(maxsize=1000)
def _check_plain(kind: Any, given: tuple[tuple[str, type, Any], ...]) -> None:
    """Of plain values: once, since it takes longer than a step."""
    for name, type_of, value in given:
        _check_one(kind, name, type_of, value)
    _check_given(kind, {name: value for name, _, value in given}, alone=False)


@lru_cache(maxsize=1000)
def _check_one(kind: Any, name: str, type_of: type, value: Any) -> None:
    """Of one plain value: candidates of a search differ in few of their parameters."""
    del type_of  # 1, 1.0 and True are equal
    validate_parameter_constraints(kind._parameter_constraints, {name: value}, caller_name=kind.__name__)


def _check_given(kind: Any, given: dict[str, Any], alone: bool = True) -> None:
    """`alone`: each parameter by itself, too."""
    name = kind.__name__
    try:
        if alone:
            validate_parameter_constraints(kind._parameter_constraints, given, caller_name=name)
        _check_sizes(name, given)
    except (TypeError, OverflowError) as error:
        if not isinstance(error, InvalidParameterError):
            raise InvalidParameterError(_unread(kind, given)) from None
        arrays = {k: v for k, v in given.items() if isinstance(v, np.ndarray) and f"{k!r} parameter" in str(error)}
        if not arrays:
            raise
        text = str(error).partition(" Got ")[0]
        (array,) = arrays.values()
        raise InvalidParameterError(f"{text} Got an array of shape {list(array.shape)} instead.") from None
    if given["solver"] == "lbfgs":
        for other in STOCHASTIC_ONLY:
            if given[other]:
                raise InvalidParameterError(
                    f"The {other!r} parameter of {name} has no meaning for solver='lbfgs', which takes no batches. "
                    f"Got {given[other]!r} instead."
                )
    if given["learning_rate_schedule"] is not None and given["learning_rate"] != "constant":
        raise InvalidParameterError(
            f"The 'learning_rate' parameter of {name} must be 'constant' beside a learning_rate_schedule. "
            f"Got {given['learning_rate']!r} instead."
        )
    try:
        check_schedule("it", given["learning_rate_schedule"])
    except Exception as error:
        raise InvalidParameterError(
            f"The 'learning_rate_schedule' parameter of {name} must be a function of the step that gives one number. "
            f"Got one that gives {type(error).__name__} instead."
        ) from error


def _check_sizes(name: str, given: dict[str, Any]) -> None:
    """Numbers are given in any precision, and training reckons with those of float32."""
    for parameter in FLOAT32 if given["solver"] != "lbfgs" else ():
        value = given[parameter]
        if value is not None and float(value) > LARGEST:
            raise InvalidParameterError(
                f"The {parameter!r} parameter of {name} must be within the range of float32, in which training "
                f"computes. Got {value!r} instead."
            )
    if given["early_stopping"] and given["validation_fraction"] == 0:
        raise InvalidParameterError(
            f"The 'validation_fraction' parameter of {name} must be above 0 beside early_stopping=True. "
            f"Got {given['validation_fraction']!r} instead."
        )
    for value in given.values():
        if isinstance(value, Integral):
            float(value)  # an OverflowError


def _unread(kind: Any, given: dict[str, Any]) -> str:
    """What is told of a parameter that is a number by its type, and that NumPy or a float cannot take."""
    for parameter, value in given.items():
        try:
            constraints = {parameter: kind._parameter_constraints[parameter]}
            validate_parameter_constraints(constraints, {parameter: value}, caller_name=kind.__name__)
            isinstance(value, Integral) and float(value)
        except (TypeError, OverflowError, KeyError):
            break
    return (
        f"The {parameter!r} parameter of {kind.__name__} must be an int or a float, of Python or NumPy, of a usual "
        f"size. Got {reprlib.repr(value)} instead."
    )


def is_stochastic(estimator: Any) -> bool:
    """Whether there is a `partial_fit`; an AttributeError says why not."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit needs a solver that takes batches, got solver='lbfgs'")
    return True
