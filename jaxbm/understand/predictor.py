"""What is explained: one model, an ensemble, or either as it was saved with its preparation of tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm import kernels
from jaxbm.core import arrays, checks
from jaxbm.core.names import one_of
from jaxbm.losses import meaning
from jaxbm.members.ensemble import Ensemble
from jaxbm.models.outputs import outputs_of
from jaxbm.models.protocol import as_model, check_features
from jaxbm.run.inputs import check_counted
from jaxbm.training.stacked import stacked_logits

OUTPUTS = ("raw", "probability")
TASKS = ("classification", "regression")


class Kind(NamedTuple):
    """What is static about a predictor: the part that its compiled programs are made for."""

    model: Any
    is_ensemble: bool = False
    is_classifier: bool = False
    output: str = "raw"
    meaning: str = "scores"
    """of outputs, as `jaxbm.losses.OUTPUTS` has it"""
    quantiles: tuple[float, ...] = ()


class Numbers(NamedTuple):
    """Its arrays, and the target's units."""

    params: Any
    weights: Array | None = None
    temperature: Array | float = 1.0
    scale: Array | float = 1.0
    center: Array | float = 0.0
    bounds: tuple[Array, Array] | None = None
    """of an ensemble's mean"""


class Predictor(NamedTuple):
    """A trained model of any kind, ready to be asked; made by `predictor_of`."""

    kind: Kind
    numbers: Numbers
    preparation: Any = None
    """a `jaxbm.table.Preparation`, or None"""

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """Names of what is explained, where they are known: the positive class, all classes, or the target."""
        if self.preparation is None:
            return None
        if not self.kind.is_classifier:
            return (str(self.preparation.target),)
        classes = [str(name) for name in self.preparation.classes]
        return tuple(classes[1:] if len(classes) == 2 else classes)


def predictor_of(given: Any, task: str | None = None, output: str | None = None) -> Predictor:
    """The `Predictor` that `given` is.

    Args:
      given: a pair `(model, params)`, an `Ensemble`, or what `jaxbm.load` or `jaxbm.load_members` returns.
      task: "classification" or "regression"; found from the preparation where there is one.
      output: "raw" for the network's own outputs (of a regression with a preparation in the target's units), or
        "probability"; by default the latter for a classification, else the former.

    Raises:
      TypeError: `given` is none of them.
      ValueError: a name is unknown, or an ensemble's task is not known.
    """
    preparation = getattr(given, "preparation", None)
    inner = getattr(given, "predictor", given)
    if task is None and preparation is not None:
        task = "regression" if preparation.task == "regression" else "classification"
    one_of("task", task, TASKS)
    one_of("output", output, OUTPUTS)
    output = output or ("probability" if task == "classification" else "raw")
    if output == "probability" and task == "regression":
        raise ValueError("output: expected 'raw' for a regression, got 'probability'")
    is_classifier = task == "classification" or output == "probability"
    if isinstance(inner, Ensemble):
        if task is None and output == "raw":
            raise ValueError("task: expected 'classification' or 'regression' for an ensemble, got None")
        weights = None if inner.weights is None else jnp.asarray(inner.weights, jnp.float32)
        kind = Kind(inner.model, True, is_classifier, output, inner.meaning)
        bounds = None
        if inner.bounds is not None:
            low, high = (jnp.asarray(bound, jnp.float32) for bound in inner.bounds)
            bounds = (low, high)
        numbers = Numbers(inner.params, weights, jnp.asarray(inner.temperature, jnp.float32), bounds=bounds)
    else:
        model, params = _model_and_params(inner)
        kind, numbers = Kind(model, False, is_classifier, output), Numbers(params)
    if preparation is not None:
        kind = kind._replace(meaning=preparation.meaning, quantiles=preparation.quantiles)
    if preparation is not None and task == "regression":
        scale, center = (
            jnp.asarray(value, jnp.float32) for value in (preparation.target_scale, preparation.target_center)
        )
        numbers = numbers._replace(scale=scale, center=center)
    return Predictor(kind, numbers, preparation)


def _model_and_params(given: Any) -> tuple[Any, Any]:
    found = (given.model, given.params) if hasattr(given, "model") and hasattr(given, "params") else given
    if isinstance(found, tuple) and len(found) == 2 and hasattr(found[0], "apply"):
        as_model(found[0]).check_params(found[1])
        return found
    also = "; its ensemble_ is one, with task=..." if hasattr(type(given), "ensemble_") else ""
    raise TypeError(
        "predictor: expected (model, params), an Ensemble, or what jaxbm.load or jaxbm.load_members gives, "
        f"got {type(given).__name__}{also}"
    )


def logits(kind: Kind, numbers: Numbers, x: Array, *, plain: bool = False) -> Array:
    """`[n, out]`: the outputs of `x` `[n, in]`; an ensemble's are the mean, of a classifier the log of the mean
    probabilities (one output: their log odds).

    `plain` keeps to plain JAX, which is differentiable to any order.
    """
    if not kind.is_ensemble:
        raw = kind.model.apply(numbers.params, x) if plain else kernels.apply(kind.model, numbers.params, x)
    elif plain:
        raw = jax.vmap(kind.model.apply, (0, None))(numbers.params, x)
    else:
        raw = stacked_logits(kind.model, numbers.params, x)
    return logits_of(kind, numbers, outputs_of(kind.model, raw, x.shape[0], members=kind.is_ensemble))


def logits_of(kind: Kind, numbers: Numbers, raw: Array) -> Array:
    """`logits` of what the network gives, `[n, out]`; of what an ensemble's members give, `[M, n, out]`."""
    if not kind.is_ensemble:
        return raw
    members = raw.astype(jnp.float32)
    if not kind.is_classifier:
        mean = meaning.outputs_of(
            _mean(meaning.moments(members, kind.meaning, jnp), numbers.weights), kind.meaning, jnp
        )
        return mean if numbers.bounds is None else jnp.clip(mean, *numbers.bounds)
    members = members / numbers.temperature
    if kind.meaning == "steps":
        found = _mean(meaning.class_probabilities(members, kind.meaning, jnp), numbers.weights)
        return meaning.class_outputs(found, kind.meaning, xp=jnp)
    if members.shape[-1] > 1:
        return _log_mean(jax.nn.log_softmax(members), numbers.weights)
    yes, no = (_log_mean(jax.nn.log_sigmoid(sign * members), numbers.weights) for sign in (1, -1))
    return yes - no


def outputs(kind: Kind, numbers: Numbers, x: Array, *, plain: bool = False) -> Array:
    """`[n, out]`: what is explained, probabilities (of the second class where there is one output) or raw outputs, a
    regression's in the target's units."""
    return told(kind, numbers, logits(kind, numbers, x, plain=plain))


def told(kind: Kind, numbers: Numbers, raw: Array) -> Array:
    """`outputs` of `logits`."""
    if kind.output == "probability":
        if kind.meaning == "steps":
            return meaning.class_probabilities(raw, kind.meaning, jnp)
        return jax.nn.sigmoid(raw) if raw.shape[-1] == 1 else jax.nn.softmax(raw)
    if kind.is_classifier:
        return raw
    if kind.meaning != "scores":
        raw = meaning.predicted(raw, kind.meaning, kind.quantiles or 0.5, jnp)[..., None]
    return raw * numbers.scale + numbers.center


def _mean(members: Array, weights: Array | None) -> Array:
    return members.mean(axis=0) if weights is None else jnp.tensordot(weights, members, axes=1)


def _log_mean(logs: Array, weights: Array | None) -> Array:
    shares = 1.0 / logs.shape[0] if weights is None else weights[:, None, None]
    return jax.nn.logsumexp(logs, axis=0, b=shares)


def features_of(predictor: Predictor, x: Any) -> np.ndarray:
    """`[n, in]` from features, or from a table where the predictor has its preparation.

    Raises:
      ValueError: `x` has another shape, or is a table and there is no preparation.
    """
    if hasattr(x, "columns"):
        if predictor.preparation is None:
            raise ValueError("x: expected an array [n, in] for a model without a preparation, got a table")
        if not len(x):
            raise ValueError("x: expected a table with at least one row, got none")
        return predictor.preparation.features(x)
    rows = arrays.host_real("x", x)
    if rows.dtype.kind != "f":
        rows = rows.astype(np.float32)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"x: expected shape [n, in] with at least one row, got {list(rows.shape)}")
    check_features("x", rows, predictor.kind.model)
    return rows


def weights_of(given: Any, n: int) -> np.ndarray | None:
    """float32 `[n]`, what each row counts; None where nothing was given.

    Raises:
      ValueError, TypeError: they are not `[n]` nonnegative numbers, or none is positive.
    """
    if given is None:
        return None
    weight = arrays.host_real("sample_weight", given)
    if weight.shape != (n,):
        raise ValueError(f"sample_weight: expected shape [{n}], got {list(weight.shape)}")
    checks.finite("sample_weight", weight)
    checks.in_range("sample_weight", weight, 0, float("inf"))
    check_counted(weight)
    return weight.astype(np.float32)
