"""jaxbm itself: `fit`, and `vmap` of it over members."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.workloads import Workload

import jaxbm


def job(workload: Workload, *, implementation: str | None = None, threads: int | None = None) -> Job:
    """Train by `jaxbm.fit`; `threads` limits the kernel's, for the whole process."""
    if threads is not None:
        from jaxbm.kernels.train_mlp import cpu

        cpu.THREADS = threads
    rows = jax.tree.map(jax.device_put, workload.data())
    validation = None if rows.x_val is None else (rows.x_val, rows.y_val)
    model = workload.model
    fit = partial(
        jaxbm.fit,
        model=model,
        loss=workload.loss,
        optimizer=jaxbm.adam(workload.learning_rate),
        epochs=workload.epochs,
        batch_size=workload.batch_size,
        implementation=implementation,
    )
    if workload.members == 1:
        return Job(lambda key: fit(key, x=rows.x, y=rows.y, validation_data=validation), jax.random.key, _curves)
    members = workload.members
    if hasattr(jaxbm, "fit_members") and not workload.shared and implementation is None:
        del fit.keywords["implementation"]
        many = partial(jaxbm.fit_members, **fit.keywords)
        return Job(lambda keys: many(keys, x=rows.x, y=rows.y), partial(_keys, members), _curves)

    @jax.jit
    def trained(key: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        if workload.shared:  # one order of the rows for all, parameters of each one's own
            return jax.vmap(lambda k: fit(key, x=x, y=y, params=model.init(k)))(jax.random.split(key, members))
        return jax.vmap(lambda k: fit(k, x=x, y=y))(jax.random.split(key, members))

    return Job(lambda key: trained(key, rows.x, rows.y), jax.random.key, _curves)


def _keys(members: int, seed: int) -> jax.Array:
    return jax.random.split(jax.random.key(seed), members)


def _curves(result: Any) -> dict[str, Any]:
    """Each history, averaged over members where there are any."""
    return {k: np.asarray(v).reshape(-1, v.shape[-1]).mean(axis=0) for k, v in result.history.items()}
