"""Adam and AdamW alone, on one array of parameters, buffers donated as in training."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax

import jaxbm
from jaxbm.benchmarks import limits
from jaxbm.benchmarks.cases import Operation
from jaxbm.benchmarks.method import Job


def update(case: Operation, *, library: str) -> Job:
    """One step of the optimizer called `case.name`, by "jaxbm", "optax", or "kernel", which is `adam_update`."""
    n = case.shape[0]
    grads = jax.random.normal(jax.random.key(0), (n,))
    optimizer: Any = getattr(optax if library == "optax" else jaxbm, case.name)(1e-3)

    def step(params: Any, state: Any, grads: Any) -> Any:
        if library == "kernel":
            return jaxbm.kernels.adam_update(optimizer, grads, state, params, implementation="cpu")
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    compiled = jax.jit(step, donate_argnums=(0, 1))
    params = 0.1 * jax.random.normal(jax.random.key(1), (n,))
    held = [jax.block_until_ready((params, jax.jit(optimizer.init)(params)))]

    def run(seed: int) -> Any:
        del seed
        held[0] = compiled(*held[0], grads)
        return held[0]

    return Job(run)


def seven_streams(case: Operation) -> Job:
    """No optimizer: a loop with Adam's memory traffic and next to no arithmetic, which is the limit."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(case.shape[0], np.float32) for _ in range(4)]
    count = limits.threads()
    return Job(lambda seed: limits.seven_streams(count, *arrays))
