"""Plain JAX and Optax, one compiled step per call."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import optax

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.loops import loop_job
from jaxbm.benchmarks.workloads import Workload


def job(workload: Workload) -> Job:
    """Train with `jax.jit` around a step, its state donated."""
    model, optimizer = workload.model, optax.adam(workload.learning_rate)
    per_example = getattr(optax, workload.loss)

    def objective(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = model.apply(params, x)
        return per_example(logits[:, 0] if model.sizes[-1] == 1 else logits, y).mean()

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
        params, opt_state = state
        loss, grads = jax.value_and_grad(objective)(params, x, y)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    @jax.jit
    def start(key: jax.Array) -> Any:
        params = model.init(key)
        return params, optimizer.init(params)

    return loop_job(workload, start, step, jax.jit(lambda state, x, y: objective(state[0], x, y)))
