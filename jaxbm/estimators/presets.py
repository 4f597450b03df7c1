"""Estimators that learn as a preset of `jaxbm.tabular` does: its encoding of numbers, its folds, its ensemble."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError

from jaxbm.estimators.jobs import ALIASES, hidden_sizes
from jaxbm.estimators.start import SEEDS
from jaxbm.estimators.targets import Targets

if TYPE_CHECKING:
    import pandas as pd

TARGET = "target"
CHANGES = {
    "hidden_layer_sizes": "hidden",
    "activation": "activation",
    "weight_init": "weight_init",
    "solver": "optimizer",
    "learning_rate_init": "learning_rate",
    "batch_size": "batch_size",
    "max_iter": "epochs",
    "n_iter_no_change": "patience",
    "members": "members",
    "bootstrap": "bootstrap",
    "dropout": "dropout",
    "clip_norm": "clip_norm",
    "precision": "precision",
    "implementation": "implementation",
}
"""Parameters that change a preset where they differ from their defaults, and what they are called there."""
OTHERS = ("preset", "random_state", "verbose", "class_weight")
"""Parameters that have their meaning beside a preset."""


def fit_preset(estimator: Any, X: Any, targets: Targets, weight: np.ndarray | None) -> None:
    """Train on checked samples as the estimator's preset says, and leave the fitted attributes.

    Raises:
      ValueError: the samples are of a kind that a preset doesn't take, or as for `jaxbm.tabular.fit`.
      sklearn.utils._param_validation.InvalidParameterError: a parameter has no meaning beside a preset.
    """
    from jaxbm import tabular

    changes = _changes(estimator)
    _check(estimator, X, targets)
    frame = _table(X)
    kinds = dict.fromkeys(frame.columns, "number")
    task = _task(targets)
    frame[TARGET] = targets.labels if task == "regression" else targets.labels.astype(int)
    seed = int(check_random_state(estimator.random_state).randint(SEEDS))
    fitted = tabular.fit(
        frame, TARGET, preset=estimator.preset, task=task, seed=seed, types=kinds,
        sample_weight=weight, progress=bool(estimator.verbose), **changes,
    )  # fmt: skip
    estimator._preset = tabular.TableModel(
        model=fitted.model, params=jax.tree.map(np.asarray, fitted.params), ensemble=fitted.ensemble,
        preparation=fitted.preparation, metadata=fitted.metadata,
    )  # fmt: skip
    _adopt(estimator, fitted, X, targets)


def preset_outputs(estimator: Any, X: Any) -> np.ndarray:
    """`[1, n, out]`: the ensemble's probabilities, of the second of two classes alone, or its quantities."""
    model, frame = estimator._preset, _table(_dense(X))
    if model.preparation.task == "regression":
        found = model.predict(frame)[:, None]
    else:
        found = model.probabilities(frame)[:, np.argsort(np.asarray(model.classes, int))]
        found = found[:, 1:] if found.shape[1] == 2 else found
    return found[None].astype(X.dtype)


def preset_spread(estimator: Any, X: Any) -> np.ndarray:
    """`[n]`: the members' standard deviation around their mean; zeros of one network."""
    model = estimator._preset
    if model.ensemble is None:
        return np.zeros(X.shape[0], X.dtype)
    spread = model.ensemble.spread(model.preparation.features(_table(_dense(X))))
    return (spread[:, 0] * model.preparation.target_scale).astype(X.dtype)


def _changes(estimator: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kind: Any = type(estimator)
    for name, default in _defaults(kind).items():
        value = getattr(estimator, name)
        if name in OTHERS or _is_default(value, default):
            continue
        if name not in CHANGES or value == "lbfgs":
            raise InvalidParameterError(
                f"The {name!r} parameter of {kind.__name__} must be {default!r} beside "
                f"preset={estimator.preset!r}, which decides it. Got {value!r} instead."
            )
        found[CHANGES[name]] = value
    if "hidden" in found:
        found["hidden"] = hidden_sizes(estimator)
    if "activation" in found:
        found["activation"] = ALIASES.get(found["activation"], found["activation"])
    return found


@lru_cache
def _defaults(kind: Any) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(kind).parameters.items()}


def _is_default(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if isinstance(value, str | bool | int | float | tuple | list):
        return bool(value == default) or (isinstance(default, tuple) and value == list(default))
    return False


def _check(estimator: Any, X: Any, targets: Targets) -> None:
    told = f"preset={estimator.preset!r}"
    if sparse.issparse(X):
        raise ValueError(f"X: expected dense features for {told}, got a sparse matrix")
    if targets.labels.ndim == 2:
        columns = targets.labels.shape[1]
        raise ValueError(f"y: expected one class or one quantity for each sample for {told}, got {columns} columns")
    if len(getattr(estimator, "classes_", "ab")) < 2:
        raise ValueError(f"y: expected at least two classes for {told}, got one")


def _task(targets: Targets) -> str:
    return "regression" if targets.kind.name == "identity" else targets.kind.name


def _table(X: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


def _adopt(estimator: Any, fitted: Any, X: Any, targets: Targets) -> None:
    """The fitted attributes that scikit-learn's users look at, of the networks behind the encoding."""
    history = np.asarray(fitted.result.history["loss"], np.float64)
    ran = int(np.max(np.asarray(fitted.result.epochs_run)))
    curves = np.atleast_2d(history)[:, :ran]
    estimator.loss_curve_ = [float(np.nanmean(column)) for column in curves.T]
    estimator.loss_, estimator.best_loss_ = estimator.loss_curve_[-1], float(np.nanmin(estimator.loss_curve_))
    estimator.validation_scores_ = estimator.best_validation_score_ = None
    estimator.n_iter_, estimator.t_ = ran, ran * X.shape[0]
    estimator.coefs_ = [np.asarray(layer.weight, X.dtype) for layer in fitted.params]
    estimator.intercepts_ = [np.asarray(layer.bias, X.dtype) for layer in fitted.params]
    estimator.n_layers_, estimator.n_outputs_ = len(fitted.params) + 1, estimator.intercepts_[-1].shape[-1]
    estimator.out_activation_ = targets.kind.out_activation
