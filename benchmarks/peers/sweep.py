"""A sweep with cross-validation on scikit-learn's digits: in one call, and by `GridSearchCV`."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np
from jaxbm.benchmarks.ensembles import Sweep
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.workloads import CLASSES

import jaxbm


def ours(case: Sweep) -> Job:
    """`jaxbm.fit_members`, a member for each point and fold; widths differ, folds are rows of one table."""
    x, y, folds = case.data()
    points = [(width, rate) for width in case.widths for rate in case.rates()]
    models = [jaxbm.MLP((64, width, 10)) for width, _ in points for _ in folds]
    rates = np.asarray([rate for _, rate in points for _ in folds], np.float32)
    rows = [train for _ in points for train, _ in folds]
    held_out = [test for _ in points for _, test in folds]
    library: Any = jaxbm

    def run(keys: jax.Array) -> Any:
        return library.fit_members(
            keys,
            models,
            x,
            y,
            loss=CLASSES,
            optimizer=jaxbm.adam(rates),
            epochs=case.epochs,
            batch_size=case.batch_size,
            rows=rows,
            validation_rows=held_out,
            metrics=(),
        )

    def curves(result: Any) -> dict[str, Any]:
        return {"final validation loss": [float(np.asarray(result.history["val_loss"])[:, -1].mean())]}

    return Job(run, lambda seed: jax.random.split(jax.random.key(seed), len(models)), curves)


def grid_search(case: Sweep) -> Job:
    """scikit-learn's `GridSearchCV` over `MLPClassifier`, on all processors."""
    from sklearn.exceptions import ConvergenceWarning
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return search.fit(x, y)

    def curves(search: Any) -> dict[str, Any]:
        return {"final validation loss": [-float(search.cv_results_["mean_test_score"].mean())]}

    return Job(run, curves=curves)
