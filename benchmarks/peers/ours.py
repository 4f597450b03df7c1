"""jaxbm itself: `fit`, `fit_members`, and `vmap` of `fit` over members that share their batches."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxbm
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.plain import drawn, layers, pinball
from jaxbm.benchmarks.workloads import Workload


def job(workload: Workload, *, implementation: str | None = None, threads: int | None = None) -> Job:
    """Train by `jaxbm.fit`; `threads` limits the kernel's, for the whole process."""
    if threads is not None:
        from jaxbm.kernels.mlp import train as cpu

        cpu.THREADS = threads
    rows = jax.tree.map(jax.device_put, workload.data())
    validation = None if rows.x_val is None else (rows.x_val, rows.y_val)
    model, members = workload.model, workload.members
    options: dict[str, Any] = {
        "loss": workload.loss,
        "optimizer": jaxbm.adam(workload.learning_rate),
        "epochs": workload.epochs,
        "batch_size": workload.batch_size,
        "validation_data": validation,
        "implementation": implementation,
    }
    if members == 1:
        return Job(lambda key: jaxbm.fit(key, model, rows.x, rows.y, **options), jax.random.key, _curves)
    if not workload.shared:
        many = partial(jaxbm.fit_members, model=model, x=rows.x, y=rows.y, **options)
        return Job(many, partial(_keys, members), _curves)

    @jax.jit
    def trained(key: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        def one(own: jax.Array) -> Any:  # parameters of its own, but the order of rows that all have
            return jaxbm.fit(key, model, x, y, params=model.init(own), **options)

        return jax.vmap(one)(jax.random.split(key, members))

    return Job(lambda key: trained(key, rows.x, rows.y), jax.random.key, _curves)


def never_seen(workload: Workload) -> Job:
    """`fit` with a loss, an optimizer and a model that the library knows nothing of, on the workload's rows."""
    rows = jax.tree.map(jax.device_put, workload.data())
    wanted = rows.y.astype(jnp.float32)
    if workload.sizes[-1] > 1:
        wanted = jnp.broadcast_to(wanted[:, None], (workload.rows, workload.sizes[-1]))
    options: dict[str, Any] = {
        "loss": pinball, "optimizer": optax.lion(workload.learning_rate), "epochs": workload.epochs,
        "batch_size": workload.batch_size,
    }  # fmt: skip
    model = jaxbm.FunctionModel(partial(drawn, sizes=workload.sizes), layers, workload.sizes[0], workload.sizes[-1])
    return Job(lambda key: jaxbm.fit(key, model, rows.x, wanted, **options), jax.random.key, _curves)


def _keys(members: int, seed: int) -> jax.Array:
    return jax.random.split(jax.random.key(seed), members)


def _curves(result: Any) -> dict[str, Any]:
    """Each history, averaged over members where there are any."""
    return {k: np.asarray(v).reshape(-1, v.shape[-1]).mean(axis=0) for k, v in result.history.items()}
