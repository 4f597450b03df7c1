"""A sweep with cross-validation on scikit-learn's digits: in one call, and by `GridSearchCV`."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import jaxbm
from jaxbm.benchmarks.ensembles import Sweep
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.sklearn_mlp import unconverged
from jaxbm.benchmarks.workloads import CLASSES


def ours(case: Sweep) -> Job:
    """`jaxbm.sweep`: points and folds together, whatever their widths."""
    x, y, folds = case.data()
    space = {"learning_rate": case.rates().tolist(), "hidden": [(width,) for width in case.widths]}
    model = jaxbm.MLP((64, case.widths[0], 10))
    options: dict[str, Any] = {"loss": CLASSES, "method": "grid", "folds": folds, "epochs": case.epochs}

    def run(key: jax.Array) -> Any:
        return jaxbm.sweep(space, key, model, x, y, batch_size=case.batch_size, refit=False, **options)

    return Job(run, jax.random.key, lambda result: {"final validation loss": [float(np.mean(result.scores))]})


def grid_search(case: Sweep) -> Job:
    """scikit-learn's `GridSearchCV` over `MLPClassifier`, on all processors."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier

    x, y, folds = case.data()
    grid = {"hidden_layer_sizes": [(width,) for width in case.widths], "learning_rate_init": case.rates()}

    def run(seed: int) -> Any:
        estimator = MLPClassifier(
            alpha=0.0,
            batch_size=case.batch_size,
            max_iter=case.epochs,
            n_iter_no_change=case.epochs + 1,
            random_state=seed,
        )
        search = GridSearchCV(estimator, grid, scoring="neg_log_loss", cv=folds, refit=False, n_jobs=-1)
        with unconverged():
            return search.fit(x, y)

    def curves(search: Any) -> dict[str, Any]:
        return {"final validation loss": [-float(search.cv_results_["mean_test_score"].mean())]}

    return Job(run, curves=curves)
