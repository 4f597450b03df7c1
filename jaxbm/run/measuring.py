"""What a run is measured by: the loss and the metrics over rows, from the model's outputs at them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core import rows as row_trees
from jaxbm.core.arrays import joined
from jaxbm.losses import takes_weights
from jaxbm.models.protocol import Params, example_losses, match_labels
from jaxbm.run.contract import EVALUATION_ROWS, Data, Hyper, Loss, Metric, Task
from jaxbm.run.rows import RowSet, training_rows, validation_rows

Logits = Callable[[Task, Params, RowSet, Hyper], Array]


def logits_of(task: Task, params: Params, visited: RowSet, hyper: Hyper) -> Array:
    """`[filled, out]`: the model at all visited rows, with those of `Task.evaluation_rows` of them alive at once."""
    index, n, block = visited.gathered()[0], visited.filled, task.evaluation_rows
    options = {} if hyper.widths is None else {"widths": hyper.widths}
    if n <= block:
        return task.model.apply(params, visited.x if index is None else row_trees.take(visited.x, index), **options)
    index = lax.iota(jnp.int32, n) if index is None else index
    blocks = jnp.pad(index, (0, -n % block)).reshape(-1, block)
    out = lax.map(lambda rows: task.model.apply(params, row_trees.take(visited.x, rows), **options), blocks)
    return out.reshape(-1, out.shape[-1])[:n]


def loss_by_blocks(task: Task, params: Params, visited: RowSet, hyper: Hyper) -> Array:
    """The loss at all visited rows, of which no more than `Task.evaluation_rows` are gathered or computed at once."""
    n, block = visited.most, task.evaluation_rows
    options = {} if hyper.widths is None else {"widths": hyper.widths}
    count = n if visited.count is None else jnp.minimum(visited.count, n)

    def sums(first: Array) -> tuple[Array, Array]:
        places = first + lax.iota(jnp.int32, block)
        real = places < count
        index = visited.table_rows(jnp.where(real, places, 0))
        x, y = row_trees.take((visited.x, visited.y), index)
        weight = visited.weights(index)
        weight = jnp.where(real, jnp.float32(1) if weight is None else weight, 0)
        return weighted_sums(example_losses(task.loss, task.model.apply(params, x, **options), y), weight)

    total, counted = lax.map(sums, jnp.arange(0, n, block, dtype=jnp.int32))
    return jnp.where(counted.sum() == 0, jnp.nan, ratio(total.sum(), counted.sum()))


def weighted_sums(values: Array, weight: Array | None) -> tuple[Array, Array]:
    """Sum of weighted values and sum of weights, in at least float32; a zero weight hides even a NaN."""
    dtype = joined(values.dtype, jnp.float32)
    values = values.astype(dtype)
    if weight is None:
        return values.sum(), jnp.asarray(values.shape[0], dtype)
    weight = weight.astype(dtype)
    return jnp.where(weight == 0, 0, values * weight).sum(), weight.sum()


def with_weights(loss: Loss, weight: Array | None) -> Loss:
    """The loss for rows of these weights: one that compares rows with each other is told them."""
    return partial(loss, weights=weight) if takes_weights(loss) else loss


def ratio(total: Array, count: Array) -> Array:
    """`total / count`, and 0 where nothing was counted."""
    return total / jnp.where(count == 0, 1, count)


def measured(
    loss: Loss | None, metrics: Sequence[tuple[str, Metric]], logits: Array, y: Any, weight: Array | None
) -> dict[str, Array]:
    """ "loss", the weighted mean over rows, and the metrics by name; without a loss the metrics alone.

    Where no row counts, nothing is known: the loss is NaN.

    Args:
      loss, metrics: functions.
      logits: `[n, out]`.
      y, weight: of the same rows.
    """
    record: dict[str, Array] = {}
    if loss is not None:
        total, count = weighted_sums(example_losses(with_weights(loss, weight), logits, y), weight)
        record["loss"] = jnp.where(count == 0, jnp.nan, ratio(total, count))
    return record | {name: _one_number(name, metric(match_labels(logits, y), y, weight)) for name, metric in metrics}


def _one_number(name: str, value: Any) -> Array:
    """ValueError or TypeError where a metric of a user's gives anything but one real number."""
    if isinstance(value, str) or (not isinstance(value, bool | int | float) and not hasattr(value, "dtype")):
        raise TypeError(f"metrics: expected a number from {name!r}, got {type(value).__name__}")
    found = jnp.asarray(value)
    if found.shape != () or jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise ValueError(f"metrics: expected one real number from {name!r}, got {found.dtype}{list(found.shape)}")
    return found


def measure(
    task: Task, params: Params, data: Data, hyper: Hyper, with_loss: bool = True, logits_of: Logits = logits_of
) -> dict[str, Array]:
    """The validation loss (where asked) and the metrics, as history names them."""
    record: dict[str, Array] = {}
    for prefix, visited in (("", training_rows(task, data)), ("val_", validation_rows(task, data))):
        loss = task.loss if prefix and with_loss else None
        if visited is None or not (loss or task.metrics):
            continue
        if loss is not None and not task.metrics and _is_crowded(task, visited):
            found = {"loss": loss_by_blocks(task, params, visited, hyper)}
        else:
            logits = logits_of(task, params, visited, hyper)
            _, y, weight = visited.gathered()
            found = measured(loss, task.metrics, logits, y, weight)
        if loss is not None:
            found["loss"] = jnp.where(visited.is_strange(), jnp.nan, found["loss"])
        record |= {prefix + name: value for name, value in found.items()}
    return record


def _is_crowded(task: Task, visited: RowSet) -> bool:
    """Whether there are so many members that even their outputs at all rows are better not held at once."""
    return task.evaluation_rows < min(EVALUATION_ROWS, visited.most) and not takes_weights(task.loss)
