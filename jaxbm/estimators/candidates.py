"""Candidates of a search, fitted on every fold: networks that can share a program are trained in one call.

A fit that cannot be put beside others (L-BFGS, sparse rows that go in blocks, an estimator that is not ours, further
arguments of `fit`) is made by itself, by the estimator's own `fit`.
"""

from __future__ import annotations

import copy
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from jaxbm.estimators import fitted
from jaxbm.estimators.base import BaseJaxMLP
from jaxbm.estimators.jobs import Job, job_of
from jaxbm.estimators.parameters import check_parameters
from jaxbm.estimators.rows import block_rows
from jaxbm.estimators.search_tasks import Tasks
from jaxbm.estimators.shared_training import Request, train_requests
from jaxbm.estimators.targets import Targets

Fold = tuple[np.ndarray, np.ndarray]


@dataclass
class Fit:
    """A candidate fitted on a fold, or why it is not."""

    estimator: Any = None
    """what was asked for: ours, or a pipeline that ends in it"""
    scored: Any = None
    """what can be scored at `X_test` in its place, at less cost"""
    X_test: Any = None
    error: Exception | None = None
    trace: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Source:
    """The rows of a fold as the last step sees them."""

    steps: Pipeline | None
    """the earlier steps, fitted"""
    X: Any
    targets: Targets
    weight: np.ndarray | None
    rows: np.ndarray
    """of `X`, to train on"""
    X_test: Any
    template: Any
    """an estimator that has what checking the rows leaves in one"""


@dataclass(frozen=True)
class Candidate:
    """An estimator with a candidate's parameters, checked: what its fits on all folds have in common."""

    whole: Any
    last: BaseJaxMLP
    steps: Pipeline | None
    """the earlier steps, not fitted"""
    weights: Mapping[str, Any]
    """what the last step's `fit` is given besides"""
    told: tuple[Any, ...]
    """what decides, beside the fold, how the last step sees the rows"""

    def of_a_fold(self) -> BaseJaxMLP:
        """The last step for one fit, as `clone` would make it."""
        last = copy.copy(self.last)
        last.random_state = copy.deepcopy(last.random_state)
        return last


class Candidates:
    """Everything that a search fits.

    Args:
      estimator: ours, or a pipeline whose last step it is.
      params: of each candidate.
      folds: `(training rows, held-out rows)`.
      X, y: samples.
      fit_params: further arguments of the estimator's `fit`.
      tasks: that are told of.
    """

    def __init__(
        self, estimator: Any, params: Sequence[Mapping[str, Any]], folds: Sequence[Fold], X: Any, y: Any,
        fit_params: Mapping[str, Any], tasks: Tasks,
    ):  # fmt: skip
        self.tasks = tasks
        self.estimator, self.params, self.folds = estimator, params, folds
        self.X, self.y, self.fit_params = X, y, fit_params
        self._sources: dict[Any, Source] = {}
        self._whole: dict[Any, tuple[Any, Targets, Any]] = {}
        self._rows = {i: np.asarray(train, np.int32) for i, (train, _) in enumerate(folds)}
        self._splits: dict[bytes, np.ndarray] = {}
        self._starts: dict[Any, Any] = {}

    def fitted(self) -> list[Fit]:
        """Every candidate on every fold, candidate by candidate."""
        fits, requests = [], []
        for params in self.params:
            began = time.perf_counter()
            candidate: Candidate | None = None
            refused: tuple[Exception, str] | None = None
            try:
                candidate = self._candidate(params)
            except Exception as error:
                refused = error, traceback.format_exc()
            for fold in range(len(self.folds)):
                fit = Fit()
                fits.append(fit)
                try:
                    if refused is not None:
                        fit.error, fit.trace = refused
                    elif candidate is None or (request := self._request(fit, candidate, fold)) is None:
                        self._alone(fit, params, fold, len(fits) - 1)
                    else:
                        requests.append(request)
                except Exception as error:
                    fit.error, fit.trace = error, traceback.format_exc()
                self.tasks.begin_fit(len(fits) - 1)
                now = time.perf_counter()
                fit.seconds, began = fit.seconds + now - began, now
        self._train(requests)
        return fits

    def _train(self, requests: list[Request]) -> None:
        open_ended = 0
        for request, trained, logits, seconds in train_requests(requests):
            fit, estimator = request.fit, request.estimator
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    fitted.adopt(estimator, request.job, trained, None, False, request.X_test.dtype)
                    if len(estimator._best_values) == len(trained):
                        estimator._known = (request.X_test, logits)
                except ValueError as error:
                    fit.error, fit.trace = error, traceback.format_exc()
            open_ended += any(issubclass(w.category, ConvergenceWarning) for w in caught)
            fit.seconds += seconds
        if open_ended:
            warnings.warn(
                f"max_iter: {open_ended} of {len(requests)} fits ended or diverged before they had settled",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _candidate(self, params: Mapping[str, Any]) -> Candidate | None:
        """None for what can't be put beside others."""
        whole = clone(self.estimator).set_params(**clone(params, safe=False))
        if isinstance(whole, Pipeline) and type(whole) is not Pipeline:  # one that resamples, for example
            return None
        last = whole.steps[-1][1] if isinstance(whole, Pipeline) else whole
        own = self._own_fit_params(whole)
        if not isinstance(last, BaseJaxMLP) or last.solver == "lbfgs" or last.warm_start:
            return None
        if type(last).fit is not BaseJaxMLP.fit:
            return None
        if last.preset is not None or own is None or get_tags(whole).input_tags.pairwise:
            return None
        check_parameters(last)
        steps = whole[:-1] if isinstance(whole, Pipeline) and len(whole.steps) > 1 else None
        before = None if steps is None else _content(steps)
        told = before, getattr(last, "loss", None), repr(getattr(last, "class_weight", None))
        return Candidate(whole, last, steps, own, told)

    def _request(self, fit: Fit, candidate: Candidate, fold: int) -> Request | None:
        last = candidate.of_a_fold()
        source = self._source(candidate, fold)
        if block_rows(source.X) is not None:
            return None
        features, starts = source.X.shape[1], self._starts
        job = job_of(last, source.targets, features, source.rows, weight=source.weight, starts=starts)
        job = self._interned(job)
        given = {*last._get_param_names(), *last._parameter_constraints}
        last.__dict__.update({k: v for k, v in vars(source.template).items() if k not in given})
        fitted.begin(last, job, source.targets.kind.out_activation)
        fit.estimator = fit.scored = last
        if source.steps is not None:
            fit.estimator = Pipeline([*source.steps.steps, (candidate.whole.steps[-1][0], last)])
        fit.X_test = source.X_test
        return Request(fit, last, job, source.X, source.targets, source.weight, source.X_test)

    def _own_fit_params(self, whole: Any) -> Mapping[str, Any] | None:
        """What the last step's `fit` is given besides; None where it is more than weights."""
        prefix = f"{whole.steps[-1][0]}__" if isinstance(whole, Pipeline) else ""
        given = {name.removeprefix(prefix): v for name, v in self.fit_params.items() if name.startswith(prefix)}
        return given if len(given) == len(self.fit_params) and given.keys() <= {"sample_weight"} else None

    def _source(self, candidate: Candidate, fold: int) -> Source:
        key = (*candidate.told, fold)
        if key not in self._sources:
            made, last = None, candidate.last
            if candidate.steps is None and getattr(last, "class_weight", None) is None:
                made = self._from_whole(last, candidate.weights, fold)
            self._sources[key] = made or self._from_fold(candidate.steps, last, candidate.weights, fold)
        return self._sources[key]

    def _from_whole(self, last: Any, own: Mapping[str, Any], fold: int) -> Source | None:
        """One table for all folds; None where a fold lacks a class, and so has other targets."""
        key = getattr(last, "loss", None)
        if key not in self._whole:
            template = clone(last)
            X, targets = template._samples(self.X, self.y, incremental=False, reset=True)
            weight = template._sample_weight(own.get("sample_weight"), X, targets)
            self._whole[key] = X, targets, (template, weight)
        X, targets, (template, weight) = self._whole[key]
        rows, (_, test) = self._rows[fold], self.folds[fold]
        of_classes = is_classifier(last) and targets.labels.ndim == 1
        if of_classes and len(np.unique(targets.labels[rows])) < len(template.classes_):
            return None
        if weight is not None and not weight[rows].any():
            return None
        return Source(None, X, targets, weight, rows, X[test], template)

    def _from_fold(self, steps: Pipeline | None, last: Any, own: Mapping[str, Any], fold: int) -> Source:
        (train, test), template = self.folds[fold], clone(last)
        X_train, y_train = _safe_indexing(self.X, train), _safe_indexing(self.y, train)
        X_test, fitted_steps = _safe_indexing(self.X, test), None
        if steps is not None:
            fitted_steps = clone(steps)
            X_train = fitted_steps.fit_transform(X_train, y_train)
            X_test = fitted_steps.transform(X_test)
        X, targets = template._samples(X_train, y_train, incremental=False, reset=True)
        weight = _check_method_params(self.X, own, train).get("sample_weight")
        weight = template._sample_weight(weight, X, targets)
        rows = np.arange(X.shape[0], dtype=np.int32)
        return Source(fitted_steps, X, targets, weight, rows, template._features(X_test), template)

    def _interned(self, job: Job) -> Job:
        """The same lists of rows as the same objects, so that they are kept once."""

        def known(rows: np.ndarray) -> np.ndarray:
            return self._splits.setdefault(rows.tobytes(), rows)

        networks = [replace(n, rows=None if n.rows is None else known(n.rows)) for n in job.networks]
        return replace(job, networks=networks, held_out=None if job.held_out is None else known(job.held_out))

    def _alone(self, fit: Fit, params: Mapping[str, Any], fold: int, number: int) -> None:
        train, test = self.folds[fold]
        estimator = clone(self.estimator).set_params(**clone(params, safe=False))
        X, y = _safe_split(estimator, self.X, self.y, train)
        given = _check_method_params(self.X, self.fit_params, train)
        with self.tasks.alone(number, estimator):
            estimator.fit(X, **given) if y is None else estimator.fit(X, y, **given)
        fit.estimator = fit.scored = estimator
        fit.X_test, _ = _safe_split(estimator, self.X, self.y, test, train)


def _content(steps: Pipeline) -> Any:
    """What is equal for steps with equal parameters, arrays and objects of any kind included."""
    try:
        return joblib.hash(steps)
    except Exception:  # what can't be pickled is equal to nothing
        return object()
