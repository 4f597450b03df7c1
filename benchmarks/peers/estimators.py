"""scikit-learn's `MLPClassifier` and `GridSearchCV`, and ours in their place: the same code but for the classes."""

from __future__ import annotations

from typing import Any

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.sklearn_mlp import faster_threads, unconverged
from jaxbm.benchmarks.tables import Estimator, Search


def fit(case: Estimator, *, library: str) -> Job:
    """An estimator with its defaults; scikit-learn with one thread or all, whichever is faster."""
    x, y = case.data()
    kind = _classifier(library)

    def fitted(model: Any) -> Any:
        with unconverged():
            return model.fit(x, y)

    def run(seed: int) -> Any:
        return fitted(kind((case.hidden,), random_state=seed))

    if library == "sklearn":
        faster_threads(lambda: fitted(kind((case.hidden,), max_iter=10, random_state=0)))
    return Job(run, curves=lambda model: {"loss of the last epoch": [model.loss_]})


def search(case: Search, *, library: str) -> Job:
    """`GridSearchCV` on all processors, or `MembersSearchCV`."""
    x, y = case.data()
    grid = case.grid()

    def run(seed: int) -> Any:
        model = _classifier(library)(max_iter=case.epochs, random_state=seed)
        options: dict[str, Any] = {"cv": case.folds, "scoring": "neg_log_loss", "refit": False, "n_jobs": -1}
        with unconverged():  # some candidates
            return _search(library)(model, grid, **options).fit(x, y)

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
