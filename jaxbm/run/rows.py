"""Which rows of the table a run visits, in plain JAX: the twin of what a kernel reads from the same arrays."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core import counter
from jaxbm.core import rows as row_trees
from jaxbm.core.counter import Words
from jaxbm.run.contract import Data, Task

FILLED = 64
"""Rows that any machine's partial sums go by: four vectors of 16."""


class RowSet(NamedTuple):
    """Training or validation rows: a table, and the part of it that is visited."""

    x: Any
    y: Any
    weight: Array | None
    rows: Array | None
    start: Array | None
    count: Array | None  # type: ignore[assignment]  # a field, not tuple.count
    most: int
    class_weight: Array | None = None

    @property
    def is_all(self) -> bool:
        """Every row of the table, in turn."""
        return self.rows is None and self.start is None and self.count is None

    @property
    def filled(self) -> int:
        """How many rows are gathered: with a count a multiple of `FILLED`, so that the order in which a run's own are
        summed does not depend on how many the largest of the other runs has."""
        return self.most if self.count is None else self.most + -self.most % FILLED

    def is_strange(self) -> Array | bool:
        """Whether a listed row is none of the table's, which only a transformation lets through to here."""
        if self.rows is None or self.start is not None or self.count is not None:
            return False
        return ((self.rows < 0) | (self.rows >= row_trees.count(self.x))).any()

    def range(self) -> tuple[Array | int, Array | int]:
        """Where the part starts, and how many rows it has."""
        return 0 if self.start is None else self.start, self.most if self.count is None else self.count

    def table_rows(self, places: Array) -> Array:
        """int32: the rows of the table at `places`, each below `count`."""
        places = places.astype(jnp.int32) + (0 if self.start is None else self.start)
        return places if self.rows is None else self.rows[places]

    def weights(self, index: Array | None) -> Array | None:
        """Weights of the table's rows `index`, None for all of them; None where every row counts the same."""
        weight = self.weight if self.weight is None or index is None else self.weight[index]
        if self.class_weight is None:
            return weight
        labels = (self.y if index is None else self.y[index]).astype(jnp.int32)
        picked = self.class_weight[jnp.clip(labels, 0, self.class_weight.shape[0] - 1)]
        return picked if weight is None else weight * picked

    def gathered(self) -> tuple[Array | None, Any, Array | None]:
        """Rows `[filled]` (None for all of the table), their labels and weights; zero weight beyond `count`."""
        if self.is_all:
            return None, self.y, self.weights(None)
        places = lax.iota(jnp.int32, self.filled)
        real = None if self.count is None else places < self.count
        index = self.table_rows(places if real is None else jnp.where(real, places, 0))
        weight = self.weights(index)
        if real is not None:
            weight = jnp.where(real, jnp.float32(1) if weight is None else weight, 0)
        return index, row_trees.take(self.y, index), weight


def training_rows(task: Task, data: Data) -> RowSet:
    """The rows that a run learns from."""
    most = _most(task.most_rows, data.rows, data.x)
    return RowSet(data.x, data.y, data.weight, data.rows, data.start, data.count, most, data.class_weight)


def validation_rows(task: Task, data: Data) -> RowSet | None:
    """The rows that a run is validated on; None without validation."""
    if data.x_val is None or data.y_val is None:
        return None
    most = _most(task.most_rows_val, data.rows_val, data.x_val)
    part = (data.x_val, data.y_val, data.weight_val, data.rows_val, data.start_val, data.count_val)
    return RowSet(*part, most, data.class_weight_val)


def bootstrap_draws(words: Words, places: Array, count: Array | int) -> Array:
    """Places drawn with replacement: element `i` depends on the run's key, `places[i]` and `count` alone."""
    stream = counter.derive(words, counter.BOOTSTRAP)
    return counter.below(counter.bits_2d(stream, places, jnp.zeros(1, jnp.uint32))[:, 0], count)


def _most(most: int | None, rows: Array | None, x: Any) -> int:
    available = row_trees.count(x) if rows is None else rows.shape[0]
    return available if most is None else min(most, available)
