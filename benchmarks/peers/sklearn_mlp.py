"""scikit-learn's `MLPClassifier`, alone and as joblib runs many of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.workloads import Rows, Workload


def job(workload: Workload) -> Job:
    """Train by `fit`, or by `partial_fit` where a validation loss is wanted after each epoch."""
    rows = workload.data()
    if workload.members > 1:
        return _many(workload, rows)
    faster_threads(lambda: _fitted(workload, rows, 0, epochs=1))
    train: Callable[..., Any] = _fitted if rows.x_val is None else _validated
    return Job(lambda seed: train(workload, rows, seed), curves=dict)


@contextmanager
def unconverged() -> Iterator[None]:
    """Training that is meant to end before it converges."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def faster_threads(trial: Callable[[], Any]) -> None:
    """BLAS threads cost more than they give on small networks: the faster of one and all is taken from here on."""
    from threadpoolctl import threadpool_limits

    seconds: dict[Any, float] = {}
    for limit in (1, None):
        with threadpool_limits(limit):
            began = time.perf_counter()
            trial()
            seconds[limit] = time.perf_counter() - began
    threadpool_limits(min(seconds, key=lambda limit: seconds[limit]))


def _estimator(workload: Workload, seed: int, epochs: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        workload.sizes[1:-1],
        alpha=0.0,
        batch_size=workload.batch_size,
        learning_rate_init=workload.learning_rate,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )


def _fitted(workload: Workload, rows: Rows, seed: int, *, epochs: int | None = None) -> dict[str, Any]:
    with unconverged():
        return {"loss": _estimator(workload, seed, epochs or workload.epochs).fit(rows.x, rows.y).loss_curve_}


def _validated(workload: Workload, rows: Rows, seed: int) -> dict[str, Any]:
    from sklearn.metrics import log_loss

    estimator, classes = _estimator(workload, seed, 1), np.unique(rows.y)
    history: dict[str, list[float]] = {"loss": [], "val_loss": []}
    for _ in range(workload.epochs):
        estimator.partial_fit(rows.x, rows.y, classes=classes)
        history["loss"].append(estimator.loss_)
        history["val_loss"].append(log_loss(rows.y_val, estimator.predict_proba(rows.x_val)))
    return history


def _many(workload: Workload, rows: Rows) -> Job:
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=-1)  # one BLAS thread in each process, as joblib arranges by itself

    def run(seed: int) -> Any:
        seeds = range(seed * workload.members, (seed + 1) * workload.members)
        return pool(delayed(_fitted)(workload, rows, s) for s in seeds)

    return Job(run, curves=lambda fits: {"loss": np.mean([f["loss"] for f in fits], axis=0)})


def fitted_for_prediction(sizes: tuple[int, ...]) -> Any:
    """An estimator of these widths that can predict; what it learnt does not matter to the clock."""
    workload = Workload("prediction", sizes, rows=64, batch_size=32)
    rows = workload.data()
    return _estimator(workload, 0, 1).partial_fit(rows.x, rows.y, classes=range(max(2, sizes[-1])))
