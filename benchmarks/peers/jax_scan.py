"""The strongest plain JAX: a compiled scan over epochs and batches, and `vmap` of it over members.

The rows' order comes from `jax.random.permutation`, or from ours, which shows what of the difference is the shuffle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

import jaxbm
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.plain import step_by
from jaxbm.benchmarks.workloads import Rows, Workload


def job(workload: Workload, *, shuffle: str = "jax") -> Job:
    """Train by `lax.scan`; `shuffle` is "jax" (`jax.random.permutation`) or "jaxbm"."""
    permutation = jax.random.permutation if shuffle == "jax" else jaxbm.shuffle.permutation
    rows = jax.tree.map(jax.device_put, workload.data())
    one = training(workload, permutation)

    @jax.jit
    def trained(key: jax.Array, rows: Rows) -> Any:
        if workload.members == 1:
            return one(key, key, rows)
        keys = jax.random.split(key, workload.members)
        if workload.shared:
            return jax.vmap(one, in_axes=(0, None, None))(keys, key, rows)
        return jax.vmap(one, in_axes=(0, 0, None))(keys, keys, rows)

    return Job(lambda key: trained(key, rows), jax.random.key, _curves)


def training(workload: Workload, permutation: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `(key of parameters, key of orders, rows)` that trains one model."""
    model, optimizer, n = workload.model, optax.adam(workload.learning_rate), workload.rows

    def objective(params: Any, x: Any, y: Any) -> jax.Array:
        return workload.mean_loss(model.apply(params, x), y)

    def train(params_key: jax.Array, order_key: jax.Array, rows: Rows) -> Any:
        step = step_by(optimizer, lambda params, chosen: objective(params, rows.x[chosen], rows.y[chosen]))

        def epoch(carry: Any, key: jax.Array) -> Any:
            carry, losses = jax.lax.scan(step, carry, permutation(key, n).reshape(-1, workload.batch_size))
            record = {"loss": losses.mean()}
            if rows.x_val is not None:
                record["val_loss"] = objective(carry[0], rows.x_val, rows.y_val)
            return carry, record

        params = model.init(params_key)
        keys = jax.random.split(order_key, workload.epochs)
        (params, _), history = jax.lax.scan(epoch, (params, optimizer.init(params)), keys)
        return params, history

    return train


def _curves(result: Any) -> dict[str, Any]:
    return {k: np.asarray(v).reshape(-1, v.shape[-1]).mean(axis=0) for k, v in result[1].items()}
