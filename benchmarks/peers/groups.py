"""A model for each group of rows: in one call, and in loops over groups."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np

import jaxbm
from jaxbm.benchmarks.ensembles import GroupRows, Groups
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.sklearn_mlp import unconverged
from jaxbm.benchmarks.workloads import BINARY


def ours(case: Groups) -> Job:
    """`jaxbm.fit_groups`."""
    rows, model = case.data(), jaxbm.MLP(case.sizes)

    def run(key: jax.Array) -> Any:
        adam, epochs, batch_size = jaxbm.adam(1e-3), case.epochs, case.batch_size
        found = jaxbm.fit_groups(key, model, *rows, loss=BINARY, optimizer=adam, epochs=epochs, batch_size=batch_size)
        return found.result

    return Job(run, jax.random.key, lambda result: {"loss": np.asarray(result.history["loss"]).mean(axis=0)})


def compiled_loop(case: Groups) -> Job:
    """A Python loop over compiled fits, one program for each size of group, as anyone with JAX would start."""
    parts, model = _parts(case.data()), jaxbm.MLP(case.sizes)
    options = {"optimizer": jaxbm.adam(1e-3), "epochs": case.epochs, "batch_size": case.batch_size}

    @jax.jit
    def fit(key: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        result = jaxbm.fit(key, model, x, y, loss=BINARY, implementation="xla", **options)  # type: ignore[arg-type]
        return result.params, result.history["loss"]

    def run(keys: jax.Array) -> Any:
        return [fit(key, x, y) for key, (x, y) in zip(keys, parts, strict=True)]

    def curves(fits: Any) -> dict[str, Any]:
        return {"loss": np.mean([loss for _, loss in fits], axis=0)}

    return Job(run, lambda seed: list(jax.random.split(jax.random.key(seed), len(parts))), curves)


def sklearn_loop(case: Groups) -> Job:
    """A Python loop over scikit-learn's `MLPClassifier`."""
    from sklearn.neural_network import MLPClassifier

    parts = _parts(case.data())
    options = {"batch_size": case.batch_size, "max_iter": case.epochs, "n_iter_no_change": case.epochs + 1}

    def run(seed: int) -> Any:
        fits = []
        with unconverged():
            warnings.filterwarnings("ignore", message="Got `batch_size` less than 1 or larger than sample size")
            for x, y in parts:
                estimator = MLPClassifier(case.sizes[1:-1], alpha=0.0, random_state=seed, **options)
                fits.append(estimator.fit(x, y).loss_curve_)
        return fits

    return Job(run, curves=lambda fits: {"loss": np.mean(fits, axis=0)})


def _parts(rows: GroupRows) -> list[tuple[np.ndarray, np.ndarray]]:
    cuts = np.flatnonzero(np.diff(rows.groups)) + 1
    return list(zip(np.split(rows.x, cuts), np.split(rows.y, cuts), strict=True))
