"""The state before the first epoch, made on the host: compiled, it would take longer than many a run."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxbm.core.device import copied, host_memory
from jaxbm.kernels import dispatch
from jaxbm.models import host_init
from jaxbm.models.protocol import Params
from jaxbm.optimizers import Adam, AdamState, Sgd, SgdState
from jaxbm.run import loop
from jaxbm.run.contract import Data, Hyper, RunState, Task


def host_start(
    task: Task, name: str, words: np.ndarray, data: Data, hyper: Hyper, params: Params | None = None
) -> RunState | None:
    """What `start_state` gives for each of M keys, as NumPy's arrays; None where the host can't make it, or would be
    slower.

    Args:
      task, name: what is trained, by which implementation.
      words: uint32 `[M, k]`, what the keys are made of.
      data, hyper: of any one member; it only matters what is there.
      params: float32 `[M, ...]`, copied; None for fresh ones.
    """
    optimizer = hyper.optimizer
    if not _is_for_host(task, name, words) or type(optimizer) not in (Adam, Sgd):
        return None
    params = host_params(task, name, words) if params is None else jax.tree.map(copied, params)
    if params is None:
        return None
    members = len(words)

    def of_all(value: Any, dtype: Any, *sizes: int) -> Any:
        return np.full((members, *sizes), value, dtype)

    return RunState(
        params=params,
        opt_state=_opt_state(optimizer, params, of_all(0, np.int32)),
        best_params=None if hyper.patience is None else jax.tree.map(copied, params),
        best_value=of_all(np.inf, np.float32),
        best_epoch=of_all(0, np.int32),
        wait=of_all(0, np.int32),
        epoch=of_all(0, np.int32),
        epochs_run=of_all(0, np.int32),
        active=of_all(True, bool),
        finite=of_all(True, bool),
        history={name: of_all(np.nan, np.float32, task.epochs) for name in loop.recorded(task, data)},
    )


def host_params(task: Task, name: str, words: np.ndarray) -> Params | None:
    """Fresh parameters for each of M keys, as NumPy arrays; None where the host can't draw them, or would be slower.

    Args:
      task, name: what is trained, by which implementation.
      words: uint32 `[M, k]`, what the keys are made of.
    """
    model: Any = task.model
    if not _is_for_host(task, name, words) or host_init.unsupported(model):
        return None
    return host_init.host_init(model, words)


def _is_for_host(task: Task, name: str, words: np.ndarray) -> bool:
    known = dispatch.has_direct_runner(name) and words.shape[1:] == (2,)
    return known and len(words) * task.model.n_params <= host_init.MOST_NUMBERS


def _opt_state(optimizer: Adam | Sgd, params: Params, count: Any) -> Any:
    """A kernel keeps every running mean in float32."""
    zeros = [jax.tree.map(lambda leaf: host_memory(leaf.shape, leaf.dtype, zeros=True), params) for _ in range(2)]
    if isinstance(optimizer, Adam):
        return AdamState(count, *zeros)
    return SgdState(count, None if optimizer.momentum is None else zeros[0])
