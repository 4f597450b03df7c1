"""One training run: its start, all of it in one compiled call, and what it leaves behind."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import checks, counter
from jaxbm.core.brief import shown
from jaxbm.core.calls import answering
from jaxbm.core.keys import host_data, key_words
from jaxbm.core.precision import Precision
from jaxbm.core.settings import varying_as
from jaxbm.kernels import dispatch
from jaxbm.models.protocol import Params
from jaxbm.privacy.spent import PrivacySpent
from jaxbm.run import loop
from jaxbm.run.contract import Data, Hyper, RunState, Task
from jaxbm.training.host_start import host_params, host_start


@answering("result")
class FitResult(NamedTuple):
    """What a training run leaves behind."""

    params: Params
    """the last epoch's parameters; the best epoch's with `patience`"""
    opt_state: Any
    """the optimizer's state after the last epoch that ran"""
    history: dict[str, Array]
    """"loss", "val_loss" and the metrics, each float32 `[epochs]`, NaN for epochs that did not run"""
    best_epoch: Array
    """int32, counted from 0: of the best monitored value, which is the lowest validation loss unless `monitor` says
    otherwise; the last epoch where that was never a number, with `patience`"""
    epochs_run: Array
    """int32"""
    finite: Array
    """bool: False when a loss, a parameter or a running mean of our Adam's became NaN or infinite; `params` are then
    those before that epoch"""
    privacy: PrivacySpent | None = None
    """with `privacy`, what `params` tell of any one row, `.epsilon` and `.delta`; the rest of this is not covered"""
    precision: Precision | None = None
    """in which numbers products of float32 were computed: "float32", "tf32", "bfloat16", ..."""

    def __repr__(self) -> str:
        return shown(self)


@partial(jax.jit, static_argnums=(0, 1))
def whole_run(
    task: Task, name: str, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any
) -> FitResult:
    """Every epoch in one call, from fresh parameters or given ones."""
    start = begun(task, name, key, data, hyper, params, opt_state)
    return result_of(dispatch.runner(name)(task, start, data, hyper, counter.words(key)))


def whole_run_directly(
    task: Task, name: str, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any
) -> FitResult:
    """`whole_run` outside of every transformation: where a kernel trains, compiled in a fraction of the time."""
    if not dispatch.has_direct_runner(name):
        return whole_run(task, name, key, data, hyper, params, opt_state)
    start = None
    if params is None:
        words = host_data(key)[None]
        if opt_state is None:
            start = host_start(task, name, words, data, hyper)
        if start is None:  # an optimizer's own start is compiled, but not the drawing of numbers
            params = jax.tree.map(lambda leaf: leaf[0], host_params(task, name, words))
    if start is None:
        return result_of(_whole_state(task, name, key, data, hyper, params, opt_state))
    start = jax.tree.map(lambda leaf: leaf[0], start)
    return result_of(advanced(task, name, start, data, hyper, key_words(key), task.epochs))


@partial(jax.jit, static_argnums=(0, 1))
def _whole_state(
    task: Task, name: str, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any
) -> RunState:
    return final_state(task, name, key, data, hyper, params, opt_state)


def advanced(
    task: Task, name: str, state: RunState, data: Data, hyper: Hyper, words: counter.Words, stop: int
) -> RunState:
    """The state at epoch `stop`, where nobody differentiates; the state before is given up."""
    nothing = jax.tree.map(lambda _: None, (data, hyper))
    found = dispatch.run_from_host(name, task, state, words, nothing, (data, hyper), stop, lead=0)
    if found is None:
        found = _advanced(task, name, state, data, hyper, words, np.int32(stop))
    return found


@dispatch.compiled
def _advanced(
    task: Task, name: str, state: RunState, data: Data, hyper: Hyper, words: counter.Words, stop: Any
) -> RunState:
    return dispatch.runner(name, differentiable=False)(task, state, data, hyper, words, stop)


def final_state(
    task: Task, name: str, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any
) -> RunState:
    """The state after every epoch, where nobody differentiates."""
    start = begun(task, name, key, data, hyper, params, opt_state)
    stop = np.int32(task.epochs)  # as `advanced` has it, so that one trace is enough for both
    return dispatch.runner(name, differentiable=False)(task, start, data, hyper, counter.words(key), stop)


def begun(
    task: Task, name: str, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any
) -> RunState:
    """`start_state`, by the implementation that trains."""
    start: RunState = dispatch.begun(name, partial(start_state, task))(key, data, hyper, params, opt_state)
    return start


def start_state(task: Task, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any) -> RunState:
    """The state before the first epoch."""
    params = task.model.init(key) if params is None else jax.tree.map(jnp.asarray, params)
    state = loop.init(task, params, opt_state, data, hyper)
    return varying_as(state, state, key, data, hyper)


def result_of(state: RunState) -> FitResult:
    """A state as its user sees it: the best parameters where there are such."""
    if state.best_params is None:
        return FitResult(state.params, state.opt_state, state.history, *_told(state, state.best_epoch))
    # Where the monitored value was never a number, no epoch is the best one, and training is what there is to show.
    is_traced = checks.is_traced(state.best_value)
    never: Any = ~((state.best_value if is_traced else np.asarray(state.best_value)) < np.inf)
    if not is_traced and not np.any(never):
        return FitResult(state.best_params, state.opt_state, state.history, *_told(state, state.best_epoch))
    last = jnp.maximum(state.epochs_run - 1, 0)
    params = jax.tree.map(
        lambda now, best: jnp.where(jnp.expand_dims(never, tuple(range(never.ndim, now.ndim))), now, best),
        state.params, state.best_params,
    )  # fmt: skip
    return FitResult(params, state.opt_state, state.history, *_told(state, jnp.where(never, last, state.best_epoch)))


def _told(state: RunState, best_epoch: Array) -> tuple[Array, Array, Array]:
    return best_epoch, state.epochs_run, state.finite


def next_chunk(epochs: int, seconds: float, target: float) -> int:
    """How many epochs to train next for about `target` seconds, where so many took so long; without leaps."""
    return max(1, min(10 * epochs, int(epochs * target / max(seconds, 1e-6))))
