"""A Python loop over epochs and batches around one compiled step, as the tutorials of several libraries have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.workloads import Workload


def loop_job(
    workload: Workload,
    start: Callable[[jax.Array], Any],
    step: Callable[[Any, Any, Any], tuple[Any, jax.Array]],
    validate: Callable[[Any, jax.Array, jax.Array], jax.Array],
) -> Job:
    """A job of host-side batches: NumPy shuffles, the step is dispatched without waiting for it.

    Args:
      workload: one member's.
      start: `key -> state`.
      step: `(state, x, y) -> (state, loss)`, compiled.
      validate: `(state, x, y) -> loss`, compiled.
    """
    rows, batch = workload.data(), workload.batch_size
    held_out = None if rows.x_val is None else (jnp.asarray(rows.x_val), jnp.asarray(rows.y_val))

    def run(start_and_seed: tuple[Any, int]) -> Any:
        state, seed = start_and_seed
        rng = np.random.default_rng(seed)
        history: dict[str, list[Any]] = {"loss": [], "val_loss": []}
        for _ in range(workload.epochs):
            order, losses = rng.permutation(workload.rows), []
            x, y = rows.x[order], rows.y[order]
            for i in range(0, workload.rows, batch):
                state, loss = step(state, x[i : i + batch], y[i : i + batch])
                losses.append(loss)
            history["loss"].append(losses)
            if held_out is not None:
                history["val_loss"].append([validate(state, *held_out)])
        return state, history

    def curves(output: Any) -> dict[str, Any]:
        return {name: np.asarray(values).mean(axis=1) for name, values in output[1].items() if values}

    return Job(run, lambda seed: (start(jax.random.key(seed)), seed), curves)
