"""The training run in plain JAX: the reference, and what runs wherever no kernel does."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core import counter
from jaxbm.core.counter import Words
from jaxbm.models.protocol import Params, example_losses, match_labels
from jaxbm.optimizers import apply_updates, clip_by_global_norm
from jaxbm.run.contract import Data, Hyper, RunState, Task
from jaxbm.run.rows import RowSet, bootstrap_draws, training_rows, validation_rows
from jaxbm.shuffle import permuted_position

Logits = Callable[[Task, Params, RowSet, Hyper], Array]
EVALUATION_ROWS = 4096
"""Rows whose activations are held at once when a whole data set is evaluated."""


def init(task: Task, params: Params, opt_state: Any, data: Data, hyper: Hyper) -> RunState:
    """The state before the first epoch."""
    names = ["loss", *(name for name, _ in task.metrics)]
    if data.x_val is not None:
        names += [f"val_{name}" for name in names]
    never = jnp.full((task.epochs,), jnp.nan, jnp.float32)
    zero = jnp.zeros((), jnp.int32)
    if opt_state is None:
        opt_state = _optimizer(task, hyper).init(params)
    return RunState(
        params=params,
        opt_state=opt_state,
        best_params=None if hyper.patience is None else params,
        best_value=jnp.full((), jnp.inf, jnp.float32),
        best_epoch=zero,
        wait=zero,
        epoch=zero,
        epochs_run=zero,
        active=jnp.ones((), bool),
        finite=jnp.ones((), bool),
        history=dict.fromkeys(names, never),
    )


def run(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None = None) -> RunState:
    """Train until every epoch of `task` ran, or until epoch `stop`, exclusive, which may be traced.

    Without `stop` the run is a scan, so reverse-mode differentiation works through it.
    """

    def advance(state: RunState) -> RunState:
        going = is_going(state, hyper)
        state = lax.cond(going, lambda s: _one_epoch(task, s, data, hyper, words), lambda s: s, state)
        return state._replace(epoch=state.epoch + 1)

    if stop is None:
        return lax.scan(lambda s, _: (advance(s), None), state, length=task.epochs)[0]
    return lax.while_loop(lambda s: s.epoch < jnp.minimum(stop, task.epochs), advance, state)


def is_going(state: RunState, hyper: Hyper) -> Array:
    """Whether the run has another epoch to do."""
    return state.active if hyper.epochs is None else state.active & (state.epoch < hyper.epochs)


def logits_of(task: Task, params: Params, visited: RowSet, hyper: Hyper) -> Array:
    """`[most, out]`: the model at all visited rows, with those of `EVALUATION_ROWS` of them alive at once."""
    index, n, block = visited.gathered()[0], visited.most, EVALUATION_ROWS
    options = {} if hyper.widths is None else {"widths": hyper.widths}
    if n <= block:
        return task.model.apply(params, visited.x if index is None else visited.x[index], **options)
    index = lax.iota(jnp.int32, n) if index is None else index
    blocks = jnp.pad(index, (0, -n % block)).reshape(-1, block)
    out = lax.map(lambda rows: task.model.apply(params, visited.x[rows], **options), blocks)
    return out.reshape(-1, out.shape[-1])[:n]


def weighted_sums(values: Array, weight: Array | None) -> tuple[Array, Array]:
    """Sum of weighted values and sum of weights, in at least float32; a zero weight hides even a NaN."""
    dtype = jnp.promote_types(values.dtype, jnp.float32)
    values = values.astype(dtype)
    if weight is None:
        return values.sum(), jnp.asarray(values.shape[0], dtype)
    weight = weight.astype(dtype)
    return jnp.where(weight == 0, 0, values * weight).sum(), weight.sum()


def ratio(total: Array, count: Array) -> Array:
    """`total / count`, and 0 where nothing was counted."""
    return total / jnp.where(count == 0, 1, count)


def _optimizer(task: Task, hyper: Hyper) -> Any:
    return hyper.optimizer if task.optimizer is None else task.optimizer


def _one_epoch(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words) -> RunState:
    params, opt_state, loss = _pass_over_rows(task, state, data, hyper, words)
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]
    finite = jnp.isfinite(loss) & jnp.stack(leaves).all()
    # A run that goes non-finite keeps the state of the last epoch that was finite.
    params, opt_state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old), (params, opt_state), (state.params, state.opt_state)
    )
    record = {"loss": loss, **measure(task, params, data, hyper)}
    history = {k: v.at[state.epoch].set(record[k].astype(jnp.float32)) for k, v in state.history.items()}
    state = state._replace(
        params=params,
        opt_state=opt_state,
        history=history,
        finite=finite,
        active=finite,
        epochs_run=state.epochs_run + 1,
    )
    return _early_stopping(state, record.get("val_loss", loss), hyper)


def _early_stopping(state: RunState, value: Array, hyper: Hyper) -> RunState:
    value = value.astype(jnp.float32)
    min_delta = 0.0 if hyper.min_delta is None else hyper.min_delta
    better = state.finite & (value < state.best_value - min_delta)
    state = state._replace(
        best_value=jnp.where(better, value, state.best_value),
        best_epoch=jnp.where(better, state.epoch, state.best_epoch),
        wait=jnp.where(better, 0, state.wait + 1),
    )
    if hyper.patience is None:
        return state
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best_params)
    return state._replace(best_params=best, active=state.active & (state.wait < hyper.patience))


def measure(
    task: Task, params: Params, data: Data, hyper: Hyper, with_loss: bool = True, logits_of: Logits = logits_of
) -> dict[str, Array]:
    """The validation loss (where asked) and the metrics, as history names them."""
    record: dict[str, Array] = {}
    for prefix, visited in (("", training_rows(task, data)), ("val_", validation_rows(task, data))):
        if visited is None or not ((prefix and with_loss) or task.metrics):
            continue
        logits = logits_of(task, params, visited, hyper)
        _, y, weight = visited.gathered()
        if prefix and with_loss:
            record["val_loss"] = ratio(*weighted_sums(example_losses(task.loss, logits, y), weight))
        for name, metric in task.metrics:
            record[prefix + name] = metric(match_labels(logits, y), y, weight)
    return record


def _pass_over_rows(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words) -> tuple[Params, Any, Array]:
    visited = training_rows(task, data)
    most, size = visited.most, min(task.batch_size, visited.most)
    steps = -(-most // size)
    order, real = _order(task, visited, state.epoch, words, steps * size)
    own_steps = steps if visited.count is None else -(-visited.count // size)

    def step(carry: tuple[Params, Any], inputs: tuple[Array, Array, Any]) -> tuple[Any, tuple[Array, Array]]:
        i, rows, real = inputs
        batch = (visited.x[rows], visited.y[rows], _batch_weight(visited.weights(rows), real))
        stream = counter.derive(counter.derive(words, counter.DROPOUT), state.epoch * own_steps + i)

        def taken(carry: tuple[Params, Any]) -> tuple[Any, tuple[Array, Array]]:
            params, opt_state, sums = _one_step(task, *carry, batch, hyper, stream)
            return (params, opt_state), sums

        def skipped(carry: tuple[Params, Any]) -> tuple[Any, tuple[Array, Array]]:
            return carry, jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(taken, carry)[1])

        return taken(carry) if visited.count is None else lax.cond(i < own_steps, taken, skipped, carry)

    filled = None if real is None else real.reshape(steps, size)
    inputs = (lax.iota(jnp.int32, steps), order.reshape(steps, size), filled)
    (params, opt_state), (totals, counts) = lax.scan(step, (state.params, state.opt_state), inputs)
    return params, opt_state, ratio(totals.sum(), counts.sum())


def _order(task: Task, visited: RowSet, epoch: Array, words: Words, length: int) -> tuple[Array, Array | None]:
    """`[length]`: the table's rows in this epoch's order, and which of them are real; the rest only fill a batch."""
    count = visited.most if visited.count is None else visited.count
    places = lax.iota(jnp.uint32, length)
    real = None if visited.count is None and length == visited.most else places < jnp.asarray(count, jnp.uint32)
    if task.shuffle:
        places = permuted_position(counter.derive(counter.derive(words, counter.SHUFFLE), epoch), places, count)
    if task.bootstrap:
        places = bootstrap_draws(words, places, count)
    return visited.table_rows(places if real is None else jnp.where(real, places, 0)), real


def _batch_weight(weight: Array | None, real: Array | None) -> Array | None:
    if weight is None:
        return None if real is None else real.astype(jnp.float32)
    return weight if real is None else jnp.where(real, weight, 0)


def _one_step(
    task: Task,
    params: Params,
    opt_state: Any,
    batch: tuple[Array, Array, Array | None],
    hyper: Hyper,
    stream: Words,
) -> tuple[Params, Any, tuple[Array, Array]]:
    x, y, weight = batch
    if task.augment is not None:
        x, y = task.augment(counter.key(counter.derive(stream, 2**31)), x, y)

    def objective(params: Params) -> tuple[Array, tuple[Array, Array]]:
        options: dict[str, Any] = {} if hyper.dropout is None else {"dropout": hyper.dropout, "key": stream}
        if hyper.widths is not None:
            options["widths"] = hyper.widths
        values = task.model.example_losses(params, x, y, task.loss, **options)
        total, count = weighted_sums(values, weight)
        value = ratio(total, count)
        if hyper.l2 is not None:
            value = value + hyper.l2 * task.model.penalty(params)
        return value, (total, count)

    grads, sums = jax.grad(objective, has_aux=True)(params)
    if hyper.clip_norm is not None:
        clip = clip_by_global_norm(hyper.clip_norm)
        grads, _ = clip.update(grads, clip.init(params), params)
    updates, opt_state = _optimizer(task, hyper).update(grads, opt_state, params)
    return apply_updates(params, updates), opt_state, sums
