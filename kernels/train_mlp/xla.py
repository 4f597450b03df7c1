"""The training run in plain JAX: the reference, and what runs wherever no kernel does."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxbm.kernels.train_mlp.contract import Data, Hyper, RunState, Task

from jaxbm import counter
from jaxbm.counter import Words
from jaxbm.mlp import MLP, Params
from jaxbm.optimizers import apply_updates, clip_by_global_norm
from jaxbm.shuffle import permuted_position

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
        state = lax.cond(state.active, lambda s: _one_epoch(task, s, data, hyper, words), lambda s: s, state)
        return state._replace(epoch=state.epoch + 1)

    if stop is None:
        return lax.scan(lambda s, _: (advance(s), None), state, length=task.epochs)[0]
    return lax.while_loop(lambda s: s.epoch < jnp.minimum(stop, task.epochs), advance, state)


def logits_of(model: MLP, params: Params, x: Array, block: int = EVALUATION_ROWS) -> Array:
    """`model.apply` over all rows, with the activations of at most `block` rows alive at once."""
    n = x.shape[0]
    if n <= block:
        return model.apply(params, x)
    blocks = -(-n // block)
    padded = jnp.pad(x, ((0, blocks * block - n), (0, 0))).reshape(blocks, block, -1)
    out = lax.map(lambda rows: model.apply(params, rows), padded)
    return out.reshape(blocks * block, -1)[:n]


def match_labels(logits: Array, labels: Array) -> Array:
    """One output `[n, 1]` becomes `[n]` where the labels are `[n]`; nothing else is ever reshaped."""
    return logits[:, 0] if logits.shape[-1] == 1 and labels.ndim == 1 else logits


def example_losses(task_loss: Any, logits: Array, labels: Array) -> Array:
    """`[n]`: the loss of each example, averaged over its outputs where the loss is one per output."""
    values = task_loss(match_labels(logits, labels), labels)
    return values.reshape(values.shape[0], -1).mean(axis=1) if values.ndim > 1 else values


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
    record = {"loss": loss, **measure(task, params, data)}
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


def measure(task: Task, params: Params, data: Data, with_loss: bool = True) -> dict[str, Array]:
    """The validation loss (where asked) and the metrics, as history names them."""
    record: dict[str, Array] = {}
    sets = [("", data.x, data.y, data.weight), ("val_", data.x_val, data.y_val, data.weight_val)]
    for prefix, x, y, weight in sets:
        if x is None or y is None or not ((prefix and with_loss) or task.metrics):
            continue
        logits = logits_of(task.model, params, x)
        if prefix and with_loss:
            record["val_loss"] = ratio(*weighted_sums(example_losses(task.loss, logits, y), weight))
        for name, metric in task.metrics:
            record[prefix + name] = metric(match_labels(logits, y), y, weight)
    return record


def _pass_over_rows(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words) -> tuple[Params, Any, Array]:
    n, size = data.x.shape[0], min(task.batch_size, data.x.shape[0])
    steps = -(-n // size)
    order = lax.iota(jnp.uint32, n)
    if task.shuffle:
        shuffle_words = counter.derive(counter.derive(words, counter.SHUFFLE), state.epoch)
        order = permuted_position(shuffle_words, order, n)
    order = jnp.pad(order.astype(jnp.int32), (0, steps * size - n)).reshape(steps, size)
    # The last batch is filled up with row 0 at weight zero: its mean is over its real rows alone.
    filled = np.arange(steps * size).reshape(steps, size) < n if steps * size > n else None

    def step(carry: tuple[Params, Any], inputs: tuple[Array, Array, Any]) -> tuple[Any, tuple[Array, Array]]:
        params, opt_state = carry
        i, rows, real = inputs
        batch = (data.x[rows], data.y[rows], _batch_weight(data.weight, rows, real))
        stream = counter.derive(counter.derive(words, counter.DROPOUT), state.epoch * steps + i)
        params, opt_state, sums = _one_step(task, params, opt_state, batch, hyper, stream)
        return (params, opt_state), sums

    inputs = (lax.iota(jnp.int32, steps), order, None if filled is None else jnp.asarray(filled))
    (params, opt_state), (totals, counts) = lax.scan(step, (state.params, state.opt_state), inputs)
    return params, opt_state, ratio(totals.sum(), counts.sum())


def _batch_weight(weight: Array | None, rows: Array, real: Array | None) -> Array | None:
    if weight is None:
        return None if real is None else real.astype(jnp.float32)
    picked = weight[rows]
    return picked if real is None else jnp.where(real, picked, 0)


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
        key = jax.random.wrap_key_data(jnp.stack(counter.derive(stream, 2**31)), impl="threefry2x32")
        x, y = task.augment(key, x, y)

    def objective(params: Params) -> tuple[Array, tuple[Array, Array]]:
        logits = task.model.apply(params, x, dropout=hyper.dropout, key=stream)
        total, count = weighted_sums(example_losses(task.loss, logits, y), weight)
        value = ratio(total, count)
        if hyper.l2 is not None:
            value = value + hyper.l2 * sum(jnp.square(layer.weight).sum() for layer in params)
        return value, (total, count)

    grads, sums = jax.grad(objective, has_aux=True)(params)
    if hyper.clip_norm is not None:
        clip = clip_by_global_norm(hyper.clip_norm)
        grads, _ = clip.update(grads, clip.init(params), params)
    updates, opt_state = _optimizer(task, hyper).update(grads, opt_state, params)
    return apply_updates(params, updates), opt_state, sums
