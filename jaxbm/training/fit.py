"""`fit`: a whole training run as one pure function."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import checks, counter
from jaxbm.kernels import dispatch
from jaxbm.models.protocol import Model, Params
from jaxbm.optimizers import adam
from jaxbm.run.contract import Data, Hyper, Loss, Metric, RunState, Task
from jaxbm.run.inputs import check_numbers, metric_functions, number, training_data
from jaxbm.training.whole_run import FitResult, next_chunk, result_of, start_state, whole_run

Progress = Callable[[int, int, dict[str, np.ndarray]], None]
CHUNK_SECONDS = 0.25
"""About how long compiled code runs between two reports of progress."""


class NonFiniteError(FloatingPointError):
    """A loss or a parameter became NaN or infinite. `.result` holds what was finite until then."""

    def __init__(self, epoch: int, result: FitResult):
        super().__init__(
            f"the loss or a parameter became NaN or infinite in epoch {epoch} (counted from 0); "
            "the result's params are those before that epoch. A smaller learning_rate, clip_norm=1.0 or "
            "standardised features usually help"
        )
        self.epoch, self.result = epoch, result


def fit(
    key: Array,
    model: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | Loss,
    optimizer: Any = None,
    epochs: int = 10,
    batch_size: int = 32,
    validation_split: float = 0.0,
    validation_data: Sequence[ArrayLike] | None = None,
    rows: ArrayLike | None = None,
    validation_rows: ArrayLike | None = None,
    bootstrap: bool = False,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | ArrayLike | str | None = None,
    metrics: Sequence[str] | Mapping[str, Metric] = (),
    shuffle: bool = True,
    patience: ArrayLike | None = None,
    min_delta: ArrayLike = 0.0,
    l2: ArrayLike | None = None,
    clip_norm: ArrayLike | None = None,
    dropout: ArrayLike | None = None,
    augment: Callable[[Array, Array, Array], tuple[Array, Array]] | None = None,
    params: Params | None = None,
    opt_state: Any = None,
    progress: bool | Progress = False,
    members: int | None = None,
    implementation: str | None = None,
) -> FitResult:
    """Train `model`: every epoch and batch inside compiled code, compiled once per shape.

    A batch's loss is the weighted mean `sum(w * l) / sum(w)` over its examples, also in a smaller last batch; an
    epoch's loss is the same mean over its examples, as the parameters were when each was visited. Works under
    `jit` and `vmap`; `grad` through it works too. Under a transformation, checks of values and the error for a
    non-finite loss are left out: look at `result.finite`.

    Args:
      key: a JAX random key, for initial parameters, row order, dropout and augmentation.
      model: the architecture.
      x: features, float `[n, in]`.
      y: labels: `[n]` or `[n, out]`; integers `[n]` for "softmax_cross_entropy_with_integer_labels".
      loss: a name from `jaxbm.losses.LOSSES`, or a function `(logits, labels) -> [n]`, `[n, out]` being averaged
        over outputs. With one output and labels `[n]`, logits come as `[n]`.
      optimizer: from `jaxbm` or Optax; `jaxbm.adam(1e-3)` by default. An Optax optimizer is functions, so a new
        one compiles anew; ours is data and doesn't.
      epochs: passes over the training rows.
      batch_size: rows per step; the last batch of an epoch may be smaller. More than n rows means one batch.
      validation_split: fraction of the rows, taken from the end before shuffling (as in Keras), to validate on.
      validation_data: `(x, y)` or `(x, y, weight)` instead.
      rows: int `[k]`, the rows of `x` and `y` to train on, all by default. Under `vmap` members may differ in their
        rows while they share the table, which is not copied.
      validation_rows: int `[k]`, rows of `x` and `y` to validate on instead.
      bootstrap: draw the training rows with replacement, once, from the key; as many as there are.
      sample_weight: nonnegative `[n]`.
      class_weight: `{class: weight}`, an array `[classes]` or "balanced"; multiplies `sample_weight`.
      metrics: names from `jaxbm.metrics.METRICS` or `{name: function(logits, labels, weights)}`, measured at the
        end of each epoch over all training and validation rows.
      shuffle: a new order of the rows in each epoch.
      patience: stop after that many epochs without a new best validation loss (training loss without
        validation), and return the best epoch's parameters.
      min_delta: how much better counts as better.
      l2: adds `l2 * sum(weight**2)` over all weights, not biases, to the loss that is descended (Keras's
        convention); the reported loss leaves it out.
      clip_norm: largest global norm of a gradient.
      dropout: probability in `[0, 1)` of dropping a hidden unit.
      augment: a hashable function `(key, x, y) -> (x, y)` for each batch, see `jaxbm.augment`.
      params, opt_state: where to start; fresh by default. They stay valid: the run works on copies of its own, which
        it donates from chunk to chunk, so the state is never held twice.
      progress: True for a progress bar (needs rich), or a function `(epochs done, epochs, history)`; called
        between chunks of epochs.
      members: train that many at once, member `k` with the key `jax.random.fold_in(key, k)`: an ensemble of seeds,
        with `bootstrap` a bagged one. Every array of the result gets a leading axis, and no error is raised: look
        at `result.finite`. `jaxbm.fit_members` does the same, and lets members differ in anything.
      implementation: None for the fastest valid one, or a name, see `jaxbm.kernels.explain`.

    Returns:
      A `FitResult`.

    Raises:
      ValueError, TypeError: an argument is unusable; the message names it, what was expected and what came.
      NonFiniteError: a loss became NaN or infinite; names the epoch and carries the result so far.

    Example:
      >>> import jax, jaxbm
      >>> x = jax.random.normal(jax.random.key(0), (200, 4))
      >>> y = (x.sum(axis=1) > 0).astype("float32")
      >>> result = jaxbm.fit(jax.random.key(1), jaxbm.MLP((4, 8, 1)), x, y, loss="sigmoid_binary_cross_entropy")
      >>> bool(result.history["loss"][-1] < result.history["loss"][0])
      True

    Source: the training loop of Goodfellow, Bengio and Courville, "Deep Learning" (2016), algorithms 7.1, 8.1.
    """
    split = float(validation_split)
    data, loss_function = training_data(
        model, loss, x, y, sample_weight, class_weight, split, validation_data, rows, validation_rows
    )
    check_numbers(patience=patience, min_delta=min_delta, l2=l2, clip_norm=clip_norm, dropout=dropout)
    optimizer = adam(1e-3) if optimizer is None else optimizer
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(f"optimizer: expected one with init and update, such as jaxbm.adam(1e-3), got {optimizer!r}")
    is_data = not any(callable(leaf) for leaf in jax.tree.leaves(optimizer))
    task = Task(
        model=model,
        loss=loss_function,
        batch_size=checks.positive_int("batch_size", batch_size),
        epochs=checks.positive_int("epochs", epochs),
        shuffle=bool(shuffle),
        metrics=metric_functions(metrics),
        augment=augment,
        optimizer=None if is_data else optimizer,
        bootstrap=bool(bootstrap),
    )
    early = patience is not None
    hyper = Hyper(
        optimizer=optimizer if is_data else None,
        l2=number(l2),
        clip_norm=number(clip_norm),
        dropout=number(dropout),
        patience=jnp.asarray(patience, jnp.int32) if early else None,
        min_delta=number(min_delta) if early else None,
    )
    counter.checked(key)
    name, _ = dispatch.choose(implementation, task, hyper.optimizer, (data.x, data.x_val, params))
    if members is not None:
        if progress is not False:
            raise ValueError(
                "progress: expected False with members; jaxbm.fit_members tells it, got " + repr(progress)
            )
        count = jnp.arange(checks.positive_int("members", members), dtype=jnp.uint32)
        return jax.vmap(lambda k: whole_run(task, name, jax.random.fold_in(key, k), data, hyper, params, opt_state))(
            count
        )
    if checks.is_traced(key, data, hyper, params, opt_state):
        return whole_run(task, name, key, data, hyper, params, opt_state)
    if progress is False:
        result = whole_run(task, name, key, data, hyper, params, opt_state)
    else:
        result = _fit_with_progress(task, name, key, data, hyper, params, opt_state, progress)
    if not bool(result.finite):
        raise NonFiniteError(int(result.epochs_run) - 1, result)
    return result


@partial(jax.jit, static_argnums=0)
def _own_start(task: Task, key: Array, data: Data, hyper: Hyper, params: Params | None, opt_state: Any) -> RunState:
    # Copies, since the state is donated from chunk to chunk (so that it is never held twice): no two parts of it
    # may share a buffer, and none may be the caller's.
    return jax.tree.map(jnp.copy, start_state(task, key, data, hyper, params, opt_state))


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _chunk(
    task: Task, name: str, state: RunState, data: Data, hyper: Hyper, words: counter.Words, stop: Array
) -> RunState:
    return dispatch.runner(name)(task, state, data, hyper, words, stop)


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
    state = _own_start(task, key, data, hyper, params, opt_state)
    words, done, chunk = counter.words(key), 0, 1
    with nullcontext(progress) if callable(progress) else _progress_bar() as report:
        while done < task.epochs:
            began = time.perf_counter()
            stop = min(done + chunk, task.epochs)
            state = _chunk(task, name, state, data, hyper, words, jnp.asarray(stop, jnp.int32))
            done = stop if bool(state.active) else task.epochs
            seconds = time.perf_counter() - began
            chunk = next_chunk(chunk, seconds, CHUNK_SECONDS)
            report(int(state.epochs_run), task.epochs, {k: np.asarray(v) for k, v in state.history.items()})
    return result_of(state)


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("training")

        def report(done: int, epochs: int, history: dict[str, np.ndarray]) -> None:
            latest = "  ".join(f"{name} {values[done - 1]:.4f}" for name, values in history.items())
            bar.update(line, completed=done, total=epochs, description=f"epoch {done}/{epochs}  {latest}")

        yield report
