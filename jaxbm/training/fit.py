"""`fit`: a whole training run as one pure function."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import checks, counter, forks
from jaxbm.core.calls import helpful
from jaxbm.core.keys import host_data, key_words
from jaxbm.core.settings import non_finite_is_told, whole_on_each
from jaxbm.kernels import dispatch
from jaxbm.kernels.spare import spared
from jaxbm.models.protocol import Model, Params
from jaxbm.run import private_runs, row_checks, start_checks
from jaxbm.run.accepts import Accepts
from jaxbm.run.contract import Data, Hyper, RunState, Task, evaluation_rows
from jaxbm.run.inputs import training_data
from jaxbm.run.options import TrainingOptions
from jaxbm.training.bar import bar
from jaxbm.training.host_start import host_start
from jaxbm.training.whole_run import (
    FitResult,
    advanced,
    begun,
    next_chunk,
    result_of,
    whole_run,
    whole_run_directly,
)

Progress = Callable[[int, int, dict[str, np.ndarray]], None]
CHUNK_SECONDS = 0.25
"""About how long compiled code runs between two reports of progress."""


class NonFiniteError(FloatingPointError):
    """A loss, a parameter or a running mean of Adam's became NaN or infinite.

    `.result` holds what was finite until then.
    """

    def __init__(self, epoch: int, result: FitResult):
        super().__init__(
            "the loss, a parameter or a running mean of Adam's became NaN or infinite in epoch "
            f"{epoch} (counted from 0); the result's params are those before that epoch. A smaller learning_rate, "
            "clip_norm=1.0 or standardised features usually help"
        )
        self.epoch, self.result = epoch, result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.epoch, self.result)


ACCEPTS = Accepts("fit")


@ACCEPTS.documented
@helpful
@non_finite_is_told
@spared
def fit(
    key: Array,
    model: Model,
    x: Any,
    y: Any,
    *,
    progress: bool | Progress = False,
    members: int | None = None,
    **options: Unpack[TrainingOptions],
) -> FitResult:
    """Train `model`: every epoch and batch inside compiled code, compiled once per shape.

    A batch's loss is the weighted mean `sum(w * l) / sum(w)` over its examples, also in a smaller last batch; an
    epoch's loss is the same mean over its examples, as the parameters were when each was visited. Works under
    `jit` and `vmap`; `grad` through it works too. Under a transformation, checks of values and the error for a
    non-finite loss are left out: look at `result.finite`. It is False as well where a class label, or the number of
    a row, is none that there is.

    Args:
      key: a JAX random key, for initial parameters, row order, dropout and augmentation.
      model: the architecture.
      x: features, float `[n, in]`; or a pytree of arrays with the same rows, for a model that takes such.
      y: labels: `[n]` or `[n, out]`, or whatever the loss takes (`jaxbm.losses.LABELS`); integers `[n]` for
        "softmax_cross_entropy_with_integer_labels". Where there is one for each row, a column `[n, 1]` is taken as
        `[n]`, for losses, metrics and validation alike. For a loss of your own any array `[n, ...]`, or a pytree of
        such: rows are shuffled, cut, listed and gathered together.
      **options: every option of a run, one by one in `jaxbm.run.options.TrainingOptions`, and in `help(jaxbm.fit)`.
      progress: True for a progress bar (needs rich), or a function `(epochs done, epochs, history)`; called
        between chunks of epochs.
      members: train that many at once, member `k` with the key `jax.random.fold_in(key, k)`: an ensemble of seeds,
        with `bootstrap` a bagged one. Every array of the result gets a leading axis, and no error is raised: look
        at `result.finite`. `jaxbm.fit_members` does the same, and lets members differ in anything.

    Returns:
      A `FitResult`.

    Raises:
      ValueError, TypeError: an argument is unusable; the message names it, what was expected and what came.
      NonFiniteError: a loss, a parameter or a running mean of Adam's became NaN or infinite; names the epoch and
        carries the result so far.

    Example:
      >>> import jax, jaxbm
      >>> x = jax.random.normal(jax.random.key(0), (200, 4))
      >>> y = (x.sum(axis=1) > 0).astype("float32")
      >>> result = jaxbm.fit(jax.random.key(1), jaxbm.MLP((4, 8, 1)), x, y, loss="sigmoid_binary_cross_entropy")
      >>> bool(result.history["loss"][-1] < result.history["loss"][0])
      True

    Source: the training loop of Goodfellow, Bengio and Courville, "Deep Learning" (2016), algorithms 7.1, 8.1.
    """
    forks.check()
    training = ACCEPTS.training(options)
    members = None if members is None else checks.positive_int("members", members)
    rows = training_data(training, model, x, y)
    row_checks.teaches(training.loss, rows.y)
    run = training.build(model, whole_on_each(rows))
    run, spent = private_runs.accounted(run, training, members)
    task, data, hyper, params, opt_state = run
    params, opt_state = whole_on_each((params, opt_state))
    counter.checked(key)
    start_checks.start(model, hyper.optimizer if task.optimizer is None else task.optimizer, params, opt_state)
    name, _ = dispatch.choose(training.implementation, run)
    precision = dispatch.precision_of(name, run)
    if members is not None:
        if progress is not False:
            raise ValueError(
                "progress: expected False with members; jaxbm.fit_members tells it, got " + checks.told(progress)
            )
        count = jnp.arange(members, dtype=jnp.uint32)
        task = replace(task, evaluation_rows=evaluation_rows(members))
        many = jax.vmap(lambda k: whole_run(task, name, jax.random.fold_in(key, k), data, hyper, params, opt_state))
        return many(count)._replace(privacy=spent, precision=precision)
    if checks.is_traced(key, data, hyper, params, opt_state):
        result = whole_run(task, name, key, data, hyper, params, opt_state)
        return result._replace(privacy=spent, precision=precision)
    if progress is False:
        result = whole_run_directly(task, name, key, data, hyper, params, opt_state)
    else:
        result = _fit_with_progress(task, name, key, data, hyper, params, opt_state, progress)
    result = result._replace(privacy=spent, precision=precision)
    # A loss of the user's may close over what is traced, which nothing else here shows.
    if not checks.is_traced(result.finite) and not bool(result.finite):
        raise NonFiniteError(int(result.epochs_run) - 1, result)
    return result


@partial(jax.jit, static_argnums=(0, 1))
def _own_start(
    task: Task, name: str, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any
) -> RunState:
    # Copies, since the state may be donated from chunk to chunk (so that it is never held twice): no two parts of it
    # may share a buffer, and none may be the caller's.
    return jax.tree.map(jnp.copy, begun(task, name, key, data, hyper, params, opt_state))


def _fit_with_progress(
    task: Task,
    name: str,
    key: Array,
    data: Data,
    hyper: Hyper,
    params: Any,
    opt_state: Any,
    progress: bool | Progress,
) -> FitResult:
    if progress is not True and not callable(progress):
        raise TypeError(f"progress: expected True, False or a function, got {checks.told(progress)}")
    start = None
    if params is None and opt_state is None:
        start = host_start(task, name, host_data(key)[None], data, hyper)
    if start is None:
        state = _own_start(task, name, key, data, hyper, params, opt_state)
    else:
        state = jax.tree.map(lambda leaf: leaf[0], start)
    words, done, chunk = key_words(key), 0, 1
    with nullcontext(progress) if callable(progress) else _progress_bar() as report:
        while done < task.epochs:
            began = time.perf_counter()
            stop = min(done + chunk, task.epochs)
            state = advanced(task, name, state, data, hyper, words, stop)
            done = stop if bool(state.active) else task.epochs
            seconds = time.perf_counter() - began
            chunk = next_chunk(chunk, seconds, CHUNK_SECONDS)
            report(int(state.epochs_run), task.epochs, {k: np.asarray(v) for k, v in state.history.items()})
    return result_of(state)


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    with bar() as show:

        def report(done: int, epochs: int, history: dict[str, np.ndarray]) -> None:
            latest = "  ".join(f"{name} {values[done - 1]:.4f}" for name, values in history.items())
            show(completed=done, total=epochs, description=f"epoch {done}/{epochs}  {latest}")

        yield report
