"""`MembersSearchCV`: a search over parameters of our estimators, trained as members of one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _score,
    _warn_or_raise_about_fit_failures,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _check_method_params

from jaxbm.estimators.base import BaseJaxMLP
from jaxbm.estimators.candidates import Candidates, Fit
from jaxbm.estimators.scoring import QuickScores


class MembersSearchCV(BaseSearchCV):
    """Search for the best parameters of `JaxMLPClassifier` or `JaxMLPRegressor` by cross-validation.

    What `GridSearchCV` and `RandomizedSearchCV` do, with their parameters, attributes and, from the same seeds, their
    scores; but every candidate on every fold is a member of one training run. Candidates that differ in numbers
    (`learning_rate_init`, `alpha`, `tol`, `max_iter`, ...), seeds or widths of equally many layers share a compiled
    call; for every other activation, solver, depth or batch size there is one call more. Candidates with
    solver="lbfgs" are fitted one by one. The earlier steps of a pipeline are fitted once for each fold.

    Parameters
    ----------
    estimator : JaxMLPClassifier, JaxMLPRegressor, or a Pipeline whose last step is one
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
        self._check_estimator()
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **routed.splitter.split)
        folds = list(cv.split(X, y, **routed.splitter.split))
        if len(folds) != self.n_splits_:
            raise ValueError(f"cv: expected {self.n_splits_} folds, as its get_n_splits says, got {len(folds)}")
        candidates = list(self._candidates())
        if self.verbose:
            each, many = len(folds), len(candidates)
            print(f"Fitting {each} folds for each of {many} candidates, {each * many} fits")
        fits = Candidates(self.estimator, candidates, folds, X, y, routed.estimator.fit).fitted()
        out = self._scored(fits, folds, X, y, scorers, routed.scorer.score)
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        self.cv_results_ = self._format_results(candidates, self.n_splits_, out)
        self._choose(out, scorers, refit_metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit)
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        return self

    def _check_estimator(self) -> None:
        last = self.estimator.steps[-1][1] if isinstance(self.estimator, Pipeline) else self.estimator
        if not isinstance(last, BaseJaxMLP):
            raise TypeError(
                "estimator: expected a JaxMLPClassifier, a JaxMLPRegressor or a pipeline that ends in one, got "
                f"{type(last).__name__}"
            )
        if (self.param_grid is None) == (self.param_distributions is None):
            raise ValueError("param_grid: expected either it or param_distributions, got both or none")

    def _candidates(self) -> Iterator[Mapping[str, Any]]:
        if self.param_grid is not None:
            return iter(ParameterGrid(self.param_grid))
        return iter(ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state))

    def _scored(
        self, fits: list[Fit], folds: list[Any], X: Any, y: Any, scorers: Any, score_params: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """What scikit-learn's own search gathers of each fit."""
        parts = [(_part(X, y, score_params, train), _part(X, y, score_params, test)) for train, test in folds]
        labels = [] if score_params else [y_test for _, (_, y_test, _) in parts]
        quick = QuickScores(self.scoring if labels else (), is_classifier(self.estimator), labels)
        out = []
        for i, fit in enumerate(fits):
            (X_train, y_train, p_train), (X_test, y_test, p_test) = parts[i % len(folds)]
            count = len(folds[i % len(folds)][1])
            row: dict[str, Any] = {"fit_time": fit.seconds, "n_test_samples": count, "fit_error": None}
            out.append(row)
            began = time.perf_counter()
            if fit.error is not None:
                if self.error_score == "raise":
                    raise fit.error
                names = getattr(scorers, "_scorers", None)
                failed = self.error_score if names is None else dict.fromkeys(names, self.error_score)
                row |= {"fit_error": fit.trace, "test_scores": failed, "train_scores": failed, "score_time": 0.0}
                continue
            row["test_scores"] = quick(fit, i % len(folds))
            # A scorer of the user's own may look into the pipeline; scikit-learn's only ask for predictions.
            scored = (fit.estimator, X_test) if callable(self.scoring) else (fit.scored, fit.X_test)
            if row["test_scores"] is None:
                row["test_scores"] = _score(*scored, y_test, scorers, p_test, self.error_score)
            row["score_time"] = time.perf_counter() - began
            if self.return_train_score:
                row["train_scores"] = _score(fit.estimator, X_train, y_train, scorers, p_train, self.error_score)
            fit.estimator = fit.scored = None  # as soon as it can be
        return out

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

    def _refit(self, X: Any, y: Any, fit_params: Mapping[str, Any]) -> None:
        self.best_estimator_ = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        began = time.perf_counter()
        self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.perf_counter() - began
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _part(X: Any, y: Any, params: Mapping[str, Any], rows: np.ndarray) -> tuple[Any, Any, Mapping[str, Any]]:
    return _safe_indexing(X, rows), _safe_indexing(y, rows), _check_method_params(X, params, rows)
