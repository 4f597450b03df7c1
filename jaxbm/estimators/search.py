"""`MembersSearchCV`: a search over parameters of our estimators, trained as members of one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn import get_config
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _score,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

from jaxbm.core.settings import non_finite_is_told
from jaxbm.estimators.candidates import Candidates, Fit
from jaxbm.estimators.scoring import QuickScores
from jaxbm.estimators.search_tasks import Tasks, managed, print_fit

Part = tuple[Any, Any, Mapping[str, Any]]
"""Features and labels of some rows, and what a scorer is given besides."""


class MembersSearchCV(BaseSearchCV):
    """Search for the best parameters of `JaxMLPClassifier` or `JaxMLPRegressor` by cross-validation.

    What `GridSearchCV` and `RandomizedSearchCV` do, with their parameters, attributes and, from the same seeds, their
    scores; but every candidate on every fold is a member of one training run. Candidates that differ in numbers
    (`learning_rate_init`, `alpha`, `tol`, `max_iter`, ...), seeds or widths of equally many layers share a compiled
    call; for every other activation, solver, depth or batch size there is one call more. Candidates with
    solver="lbfgs" are fitted one by one. The earlier steps of a pipeline are fitted once for each fold. So that one
    class does for a whole script, it takes every other estimator as well, and fits it candidate by candidate: so also
    subclasses of `Pipeline`, such as imbalanced-learn's, and of ours with a `fit` of their own.

    Parameters
    ----------
    estimator : JaxMLPClassifier, JaxMLPRegressor, or a Pipeline whose last step is one; or another estimator
    param_grid : dict or list of dicts, default=None
        Names and lists of values, every combination of which is tried.
    param_distributions : dict or list of dicts, default=None
        Names and lists of values or distributions, of which `n_iter` candidates are drawn, instead of `param_grid`.
    n_iter : int, default=10
    random_state : int, RandomState instance or None, default=None
        Of the draws.
    scoring : str, callable, list, tuple or dict, default=None
    refit : bool, str or callable, default=True
    cv : int, cross-validation generator or an iterable, default=None
    verbose : int, default=0
    error_score : "raise" or numeric, default=np.nan
    return_train_score : bool, default=False
        All as for `GridSearchCV`.
    n_jobs, pre_dispatch
        Taken for the sake of scripts that give them, and not used: a run uses all processors by itself.

    Callbacks of scikit-learn (`set_callbacks`, from its 1.9 on) are told of the same tasks as by `GridSearchCV`: all
    fits begin together, and each ends when it is scored.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_
    scorer_, n_splits_, refit_time_, multimetric_
        As of `GridSearchCV`; `mean_fit_time` is a fit's share of the time of its call.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from jaxbm.estimators import JaxMLPClassifier, MembersSearchCV
    >>> x, y = load_iris(return_X_y=True)
    >>> grid = {"learning_rate_init": [1e-3, 1e-2, 1e-1], "hidden_layer_sizes": [(8,), (32,)]}
    >>> model = JaxMLPClassifier(max_iter=300, tol=1e-2, random_state=0)
    >>> search = MembersSearchCV(model, grid, cv=3, scoring="neg_log_loss").fit(x, y)  # 18 fits in one call
    >>> len(search.cv_results_["params"]), search.n_splits_, bool(search.best_score_ > -0.5)
    (6, 3, True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseSearchCV._parameter_constraints,
        "param_grid": [dict, list, None],
        "param_distributions": [dict, list, None],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Any = None,
        *,
        param_distributions: Any = None,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., Any] = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ):
        super().__init__(
            estimator=estimator, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose,
            pre_dispatch=pre_dispatch, error_score=error_score, return_train_score=return_train_score,
        )  # fmt: skip
        self.param_grid = param_grid
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Try every candidate on every fold, and fit the best one on all samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        **params
            `sample_weight`, `groups`, and whatever else estimator, splitter and scorer are to be given.

        Returns
        -------
        self : object
        """
        if not get_config()["skip_parameter_validation"]:
            self._validate_params()
        if (self.param_grid is None) == (self.param_distributions is None):
            raise ValueError("param_grid: expected either it or param_distributions, got both or none")
        with managed(self):
            return self._search(X, y, params)

    @non_finite_is_told
    def _search(self, X: Any, y: Any, params: Mapping[str, Any]) -> Self:
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        tasks = Tasks(self, X, y, params.get("sample_weight"))
        folds = self._folds(X, y, routed.splitter.split)
        candidates = list(self._candidates())
        if not folds or not candidates:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no candidates? "
                f"Got {len(folds)} folds and {len(candidates)} candidates"
            )
        if self.verbose:
            each, many = len(folds), len(candidates)
            print(f"Fitting {each} folds for each of {many} candidates, totalling {each * many} fits")
        tasks.begin_fits(folds, len(candidates))
        fits = Candidates(self.estimator, candidates, folds, X, y, routed.estimator.fit, tasks).fitted()
        out = self._scored(fits, folds, X, y, scorers, routed.scorer.score, tasks, candidates)
        tasks.end_fits()
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        self.cv_results_ = self._format_results(candidates, self.n_splits_, out)
        self._choose(out, scorers, refit_metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit, tasks)
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        tasks.end()
        return self

    def _folds(self, X: Any, y: Any, split_params: Mapping[str, Any]) -> list[Any]:
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **split_params)
        # Rows may be given as a mask or a list as well.
        rows = np.arange(_num_samples(X))
        folds = [(rows[train], rows[test]) for train, test in cv.split(X, y, **split_params)]
        if len(folds) != self.n_splits_:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. "
                f"Expected {self.n_splits_} splits, got {len(folds)}"
            )
        return folds

    def _candidates(self) -> Iterator[Mapping[str, Any]]:
        if self.param_grid is not None:
            return iter(ParameterGrid(self.param_grid))
        return iter(ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state))

    def _scored(
        self, fits: list[Fit], folds: list[Any], X: Any, y: Any, scorers: Any, score_params: Mapping[str, Any],
        tasks: Tasks, candidates: list[Mapping[str, Any]],
    ) -> list[dict[str, Any]]:  # fmt: skip
        """What scikit-learn's own search gathers of each fit."""
        parts = [
            (self._part(X, y, score_params, train), self._part(X, y, score_params, test, train))
            for train, test in folds
        ]
        labels = [] if score_params else [y_test for _, (_, y_test, _) in parts]
        quick = QuickScores(self.scoring if labels else (), is_classifier(self.estimator), labels)
        out = []
        for i, fit in enumerate(fits):
            fold = i % len(folds)
            row = {"fit_time": fit.seconds, "n_test_samples": len(folds[fold][1]), "fit_error": None}
            row |= (
                self._failed(fit, scorers)
                if fit.error is not None
                else self._scores(fit, fold, *parts[fold], scorers, quick)
            )
            fit.estimator = fit.scored = None  # as soon as it can be
            out.append(row)
            tasks.end_fit(i)
            if self.verbose > 1:
                print_fit(self.verbose, row, candidates[i // len(folds)], i, len(folds), len(fits))
        return out

    def _part(self, X: Any, y: Any, params: Mapping[str, Any], rows: np.ndarray, fitted: Any = None) -> Part:
        X_part, y_part = _safe_split(self.estimator, X, y, rows, fitted)
        return X_part, y_part, _check_method_params(X, params, rows)

    def _failed(self, fit: Fit, scorers: Any) -> dict[str, Any]:
        if self.error_score == "raise" and fit.error is not None:
            raise fit.error
        names = getattr(scorers, "_scorers", None)
        scores = self.error_score if names is None else dict.fromkeys(names, self.error_score)
        found = {"fit_error": fit.trace, "test_scores": scores, "score_time": 0.0}
        return {**found, "train_scores": scores} if self.return_train_score else found

    def _scores(self, fit: Fit, fold: int, train: Any, test: Any, scorers: Any, quick: QuickScores) -> dict[str, Any]:
        (X_train, y_train, p_train), (_, y_test, p_test) = train, test
        began = time.perf_counter()
        row: dict[str, Any] = {"test_scores": quick(fit, fold)}
        # A scorer of the user's own may look into the pipeline; scikit-learn's only ask for predictions.
        scored = (fit.estimator, test[0]) if callable(self.scoring) else (fit.scored, fit.X_test)
        if row["test_scores"] is None:
            row["test_scores"] = _score(*scored, y_test, scorers, p_test, self.error_score)
        row["score_time"] = time.perf_counter() - began
        if self.return_train_score:
            row["train_scores"] = _score(fit.estimator, X_train, y_train, scorers, p_train, self.error_score)
        return row

    def _choose(self, out: list[dict[str, Any]], scorers: Any, refit_metric: str) -> None:
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(out[0]["test_scores"])
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            results = self.cv_results_
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]

    def _refit(self, X: Any, y: Any, fit_params: Mapping[str, Any], tasks: Tasks) -> None:
        self.best_estimator_ = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        with tasks.refit(self.best_estimator_):
            began = time.perf_counter()
            self.best_estimator_.fit(X, y, **fit_params)
            self.refit_time_ = time.perf_counter() - began
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
