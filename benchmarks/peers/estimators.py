"""scikit-learn's `MLPClassifier` and `GridSearchCV`, and ours in their place: the same code but for the classes."""

from __future__ import annotations

import time
import warnings
from typing import Any

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.tables import Estimator, Search


def fit(case: Estimator, *, library: str) -> Job:
    """An estimator with its defaults; scikit-learn with one thread or all, whichever is faster."""
    x, y = case.data()
    kind = _classifier(library)

    def run(seed: int) -> Any:
        return _quietly(kind((case.hidden,), random_state=seed).fit, x, y)

    if library == "sklearn":
        _faster_threads(lambda: _quietly(kind((case.hidden,), max_iter=10, random_state=0).fit, x, y))
    return Job(run, curves=lambda model: {"loss of the last epoch": [model.loss_]})


def search(case: Search, *, library: str) -> Job:
    """`GridSearchCV` on all processors, or `MembersSearchCV`."""
    x, y = case.data()
    grid = case.grid()

    def run(seed: int) -> Any:
        model = _classifier(library)(max_iter=case.epochs, random_state=seed)
        options: dict[str, Any] = {"cv": case.folds, "scoring": "neg_log_loss", "refit": False, "n_jobs": -1}
        return _quietly(_search(library)(model, grid, **options).fit, x, y)

    return Job(run, curves=lambda found: {"log loss": [-float(found.cv_results_["mean_test_score"].mean())]})


def _classifier(library: str) -> Any:
    if library == "sklearn":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier
    from jaxbm.estimators import JaxMLPClassifier

    return JaxMLPClassifier


def _search(library: str) -> Any:
    if library == "sklearn":
        from sklearn.model_selection import GridSearchCV

        return GridSearchCV
    from jaxbm.estimators import MembersSearchCV

    return MembersSearchCV


def _quietly(function: Any, *arguments: Any) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some candidates are meant to end before they converge
        return function(*arguments)


def _faster_threads(trial: Any) -> None:
    from threadpoolctl import threadpool_limits

    seconds: dict[Any, float] = {}
    for limit in (1, None):
        with threadpool_limits(limit):
            began = time.perf_counter()
            trial()
            seconds[limit] = time.perf_counter() - began
    threadpool_limits(min(seconds, key=lambda limit: seconds[limit]))
