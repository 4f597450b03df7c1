"""Plain JAX and Optax, one compiled step per call."""

from __future__ import annotations

from typing import Any

import jax
import optax

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.loops import loop_job
from jaxbm.benchmarks.plain import step_by
from jaxbm.benchmarks.workloads import Workload


def job(workload: Workload) -> Job:
    """Train with `jax.jit` around a step, its state donated."""
    model, optimizer = workload.model, optax.adam(workload.learning_rate)

    def objective(params: Any, rows: Any) -> jax.Array:
        x, y = rows
        return workload.mean_loss(model.apply(params, x), y)

    step = jax.jit(step_by(optimizer, objective), donate_argnums=0)

    @jax.jit
    def start(key: jax.Array) -> Any:
        params = model.init(key)
        return params, optimizer.init(params)

    validate = jax.jit(lambda state, x, y: objective(state[0], (x, y)))
    return loop_job(workload, start, lambda state, x, y: step(state, (x, y)), validate)
