"""What classifier and regressor share: from samples to a trained network, and from it to outputs."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
from jax.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxbm.core import forks
from jaxbm.core.settings import non_finite_is_told, on_purpose
from jaxbm.estimators import fitted
from jaxbm.estimators.block_training import BlockTraining
from jaxbm.estimators.fitting import train
from jaxbm.estimators.incremental import Continued
from jaxbm.estimators.jobs import ALIASES, Job, State, hidden_sizes, job_of
from jaxbm.estimators.lbfgs import minimize, wide_logits
from jaxbm.estimators.networks import Training, Weights
from jaxbm.estimators.parameters import CONSTRAINTS, check_parameters
from jaxbm.estimators.presets import fit_preset, preset_outputs
from jaxbm.estimators.repeats import counted_rows
from jaxbm.estimators.rows import NON_FINITE, block_rows, blocks, dense, is_plain
from jaxbm.estimators.tables import host_table, table
from jaxbm.estimators.targets import Targets, one_column, outputs_of
from jaxbm.estimators.validation import HeldOut
from jaxbm.estimators.weights import check_range, sample_weights
from jaxbm.members.ensemble import Ensemble
from jaxbm.models.mlp import MLP, Dense
from jaxbm.training.predict import call_for_few, logits_by_blocks

STEPS = 8
"""Sizes of batches that `partial_fit` is prepared for."""
Samples = tuple[Any, np.ndarray, np.ndarray | None]
"""Features, encoded labels and weights."""
_parameter_names: WeakKeyDictionary[type, list[str]] = WeakKeyDictionary()


class BaseJaxMLP(BaseEstimator, ABC):
    """See `JaxMLPClassifier` and `JaxMLPRegressor`."""

    _parameter_constraints: dict[str, Any] = CONSTRAINTS

    # Parameters that are read here; the subclasses' __init__ keeps them all.
    activation: str
    solver: str
    alpha: float
    tol: float
    max_iter: int
    max_fun: int
    verbose: Any
    warm_start: bool
    early_stopping: bool
    members: int
    preset: str | None
    # Fitted.
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    out_activation_: str
    n_outputs_: int

    def _keep(self, given: dict[str, Any]) -> None:
        """Set the constructor's arguments, unchanged, as scikit-learn asks; `given` are its local variables."""
        self.__dict__.update((name, value) for name, value in given.items() if name != "self")

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # scikit-learn reads the constructor's signature each time, which takes a search longer than its training.
        names = _parameter_names.get(cls)
        if names is None:
            names = _parameter_names[cls] = super()._get_param_names()
        return list(names)

    @abstractmethod
    def _samples(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Targets]:
        """Checked features, and targets."""

    @abstractmethod
    def _labels(self, y: Any) -> np.ndarray:
        """Further labels, encoded like those of the fit."""

    @abstractmethod
    def _plain_labels(self, X: Any, y: Any) -> np.ndarray | None:
        """Labels of a further `partial_fit`, encoded, where scikit-learn's checks of them and of features would find
        nothing and change nothing; None where there is more to find out, or to say."""

    def _weighted(self, targets: Targets, weight: np.ndarray | None) -> np.ndarray | None:
        """Weights of samples, those of their classes included."""
        del targets
        return weight

    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, validation_data: tuple[Any, ...] | None = None
    ) -> Self:
        """Train on samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. What is sparse is made dense, a bounded part at a time.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes, an indicator of labels, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights.
        validation_data : tuple (X, y) or (X, y, sample_weight), default=None
            With `early_stopping`, samples to score instead of a `validation_fraction`.

        Returns
        -------
        self : object
        """
        check_parameters(self)
        if self.preset is not None:
            return self._fit_preset(X, y, sample_weight, validation_data)
        self.__dict__.pop("_preset", None)
        return self._fit(X, y, sample_weight, validation_data)

    @on_purpose
    def _fit_preset(self, X: Any, y: Any, sample_weight: Any, validation_data: Any) -> Self:
        if validation_data is not None:
            raise ValueError(f"validation_data: expected None beside preset={self.preset!r}, which holds rows out")
        X, targets = self._samples(X, y, incremental=False, reset=True)
        fit_preset(self, X, targets, self._sample_weight(sample_weight, X, targets))
        return self

    @non_finite_is_told
    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation_data: Any = None, incremental: bool = False
    ) -> Self:
        if self.preset is not None:
            raise ValueError(f"partial_fit needs preset=None, got preset={self.preset!r}")
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        hidden = hidden_sizes(self)
        is_first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        if is_first:
            self.__dict__.pop("_steps", None)
        X, targets = self._samples(X, y, incremental, reset=is_first)
        weight = self._sample_weight(sample_weight, X, targets)
        if incremental and not is_first and weight is None and self._stepped(X, targets):
            return self
        forks.check()
        held_out = self._validation(validation_data, targets)
        sizes = (X.shape[1], *hidden, targets.outputs)
        state = State() if is_first else fitted.state_of(self, sizes, incremental)
        rows = np.arange(X.shape[0], dtype=np.int32)
        job = job_of(
            self, targets, X.shape[1], rows, weight=weight, state=state, one_epoch=incremental,
            held_out=None if held_out is None else np.arange(held_out[0].shape[0], dtype=np.int32),
        )  # fmt: skip
        if is_first:
            fitted.begin(self, job, targets.kind.out_activation)
        if self.solver == "lbfgs":
            self._fit_lbfgs(job, X, targets, weight)
            return self
        samples = (X, targets.labels, weight)
        training = self._training(job, samples, state.opt_state, incremental)
        scored = None
        if job.held_out is not None:
            scored = HeldOut.of(targets.kind.name, *(held_out or samples), [job.held_out] * len(job.networks))
        trained = train(training, job.rules, scored, _tell if self.verbose else None)
        opt_state = training.opt_state if isinstance(training, BlockTraining) else training.state.opt_state
        fitted.adopt(self, job, trained, opt_state, incremental, X.dtype)
        if incremental and isinstance(X, np.ndarray) and (known := Continued.of(self, job, training)) is not None:
            self._steps = {**dict(list(getattr(self, "_steps", {}).items())[-STEPS:]), len(X): known}
        return self

    def _repeated(self, X: Any, y: Any) -> bool:
        """Whether all of a `partial_fit` was done as in an earlier call with such arrays."""
        steps = self.__dict__.get("_steps")
        if steps is None or type(X) is not np.ndarray or X.ndim != 2 or (known := steps.get(len(X))) is None:
            return False
        return self._told(known.again(self, X, y))

    def _stepped(self, X: Any, targets: Targets) -> bool:
        """Whether all was done as in an earlier call with as many rows."""
        known: Continued | None = getattr(self, "_steps", {}).get(X.shape[0])
        return self._told(known is not None and isinstance(X, np.ndarray) and known.step(self, X, targets))

    def _told(self, is_done: bool) -> bool:
        if is_done and self.verbose:
            _tell(self.n_iter_, self.loss_)
        return is_done

    def _sample_weight(self, given: Any, X: Any, targets: Targets) -> np.ndarray | None:
        own = sample_weights(given, X)
        weight = self._weighted(targets, own)
        if weight is not None and not weight.any():
            whose = "sample_weight" if own is not None else "class_weight"
            raise ValueError(f"{whose}: expected at least one positive weight, got zeros only")
        if weight is not None and weight is not own:
            check_range(weight, "class_weight, times sample_weight")
        return weight

    def _validation(self, given: Any, targets: Targets) -> Samples | None:
        if given is None:
            return None
        if not self.early_stopping:
            raise ValueError("validation_data: expected early_stopping=True beside it, got early_stopping=False")
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ValueError("validation_data: expected (X, y) or (X, y, sample_weight)")
        X = self._features(given[0])
        y = one_column(given[1] if sparse.issparse(given[1]) else np.asarray(given[1]))
        found, expected = list(y.shape), [X.shape[0], *targets.labels.shape[1:]]
        if found != expected:
            raise ValueError(f"validation_data: expected labels of shape {expected}, as for training, got {found}")
        weight = sample_weights(given[2] if len(given) == 3 else None, X, "sample_weight of validation_data")
        return X, self._labels(y), weight if weight is None else weight.astype(np.float32)

    def _training(self, job: Job, samples: Samples, opt_state: Any, incremental: bool) -> Training | BlockTraining:
        X, labels, weight = samples if incremental else counted_rows(job, *samples)
        networks = job.networks
        if X is not samples[0] or len(networks[0].rows) == X.shape[0]:  # type: ignore[arg-type]
            networks = [replace(network, rows=None) for network in networks]
        if block_rows(X) is not None:
            return BlockTraining(job.program, networks, X, labels, weight, opt_state)
        rows = (host_table if incremental else table)(dense(X), labels, weight)
        known: Training | None = getattr(self, "_continued", None) if incremental else None
        if known is not None and known.renew(job.program, networks, rows, opt_state):
            return known
        training = Training(job.program, networks, rows, max(one.max_iter for one in job.limits), opt_state)
        if incremental:
            self._continued = training
        return training

    def _fit_lbfgs(self, job: Job, X: Any, targets: Targets, weight: np.ndarray | None) -> None:
        model = MLP(job.networks[0].sizes, job.program.activation)
        options: Any = {name: getattr(self, name) for name in ("tol", "max_iter", "max_fun")}
        told = _tell if self.verbose else None
        found = [
            minimize(model, network.weights, X, targets, weight, job.penalty, told=told, **options)
            for network in job.networks
        ]
        if not all(np.isfinite(part).all() for one in found for layer in one.weights for part in layer):
            raise ValueError(NON_FINITE)
        fitted.stack(self, [one.weights for one in found], X.dtype)
        self.n_iter_ = max(one.iterations for one in found)
        self.loss_ = float(np.mean([one.loss for one in found]))
        open_ended = [one for one in found if not one.converged]
        if open_ended:
            limits = f"max_iter={self.max_iter}, max_fun={self.max_fun}"
            warnings.warn(
                f"solver='lbfgs' ended after {self.n_iter_} iterations without having converged ({limits}): "
                f"{open_ended[0].message}. Standardised features or a larger limit usually help.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _features(self, X: Any) -> Any:
        if is_plain(X, self):
            return X
        kinds = {"accept_sparse": ["csr"], "dtype": (np.float64, np.float32)}
        return validate_data(self, X, reset=False, **kinds)

    @property
    def model_(self) -> MLP:
        """The network's architecture."""
        sizes = (self.coefs_[0].shape[-2], *(b.shape[-1] for b in self.intercepts_))
        return _network(sizes, ALIASES.get(self.activation, self.activation))

    @property
    def ensemble_(self) -> Ensemble:
        """The members as a `jaxbm.Ensemble`, of logits; of a preset it takes encoded features."""
        check_is_fitted(self)
        if getattr(self, "_preset", None) is not None and self._preset.ensemble is not None:
            return self._preset.ensemble
        return Ensemble(self.model_, _stacked(fitted.member_weights(self, np.float32)))

    def _logits(self, X: Any) -> np.ndarray:
        """`[M, n, out]`, in the dtype of the features."""
        known = self.__dict__.get("_known")  # a search has computed those of all its estimators together
        if known is not None and known[0] is X:
            return known[1]
        if is_plain(X, self) and (found := self._logits_of_few(X)) is not None:
            return found
        return self._logits_of(self._features(X))

    def _logits_of_few(self, X: np.ndarray) -> np.ndarray | None:
        """Of a few rows, with as little around the kernel's call as can be; None where there is more to do."""
        leaves = [part for pair in zip(self.coefs_, self.intercepts_, strict=True) for part in pair]
        if self.solver == "lbfgs" or leaves[0].ndim != 2:
            return None
        call = call_for_few(self.model_, len(X))
        if call is None or not call.fits(leaves):
            return None
        return call(leaves, X)[None].astype(X.dtype)

    @on_purpose
    def _logits_of(self, X: Any) -> np.ndarray:
        if self.solver == "lbfgs" and X.dtype == np.float64:
            weights = list(zip(self.coefs_, self.intercepts_, strict=True))
            return wide_logits(self.model_, weights, X)
        members = fitted.member_weights(self, np.float32)
        if len(members) == 1:
            model, params = self.model_, tuple(Dense(w, b) for w, b in members[0])  # type: ignore[arg-type]
            found = [logits_by_blocks(model, params, part)[None] for part in blocks(X, block_rows(X) or X.shape[0])]
        else:
            ensemble = Ensemble(self.model_, _stacked(members))
            found = [ensemble.logits(part) for part in blocks(X, block_rows(X) or X.shape[0])]
        return np.concatenate(found, axis=1).astype(X.dtype, copy=False)

    def _outputs(self, X: Any) -> np.ndarray:
        """`[M, n, out]`: every member's prediction."""
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)
        if getattr(self, "_preset", None) is not None:
            return on_purpose(preset_outputs)(self, self._features(X))
        logits = self._logits(X)
        return outputs_of(self.out_activation_, logits)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        for name in ("_checked", "_continued", "_known", "_steps"):  # made again where they are needed
            state.pop(name, None)
        if "_optimizer" in state:  # a further step may be made in the place of what it holds
            state["_optimizer"] = copy(state["_optimizer"])
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@lru_cache(maxsize=256)
def _network(sizes: tuple[int, ...], activation: str) -> MLP:
    return MLP(sizes, activation)


def _stacked(members: list[Weights]) -> tuple[Dense, ...]:
    layers = zip(*members, strict=True)
    return tuple(Dense(*(np.stack(part) for part in zip(*layer, strict=True))) for layer in layers)  # type: ignore


def _tell(epoch: int, loss: float, score: float | None = None, event: str | None = None) -> None:
    print(f"Iteration {epoch}, loss = {loss:.8f}")
    if score is not None:
        print(f"Validation score: {score:f}")
    if event is not None:
        print(event)
