"""Accumulated local effects: what a column does where rows with such values are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import checks
from jaxbm.core.brief import shown
from jaxbm.core.calls import helpful
from jaxbm.core.dataframe import tidy
from jaxbm.core.settings import promotes
from jaxbm.understand.columns import groups_of
from jaxbm.understand.grids import Rows, is_number
from jaxbm.understand.predictor import Kind, Numbers, features_of, outputs, predictor_of


@dataclass(frozen=True)
class LocalEffects:
    """What the output gains along a column; made by `accumulated_local_effects`."""

    name: str
    grid: np.ndarray
    """`[bins + 1]`: edges of the bins, in the column's own units"""
    effects: np.ndarray
    """`[bins + 1, out]`: at the edges; zero in the mean over the rows"""
    counts: np.ndarray
    """int `[bins]`: rows in each"""
    outputs: tuple[str, ...] | None = None
    """names of the outputs, where they are known"""

    def table(self) -> Any:
        """A line for each edge: the value and the effect on each output."""
        names = self.outputs or tuple(f"output {i}" for i in range(self.effects.shape[1]))
        return tidy({self.name: self.grid} | {f"effect on {n}": self.effects[:, i] for i, n in enumerate(names)})

    def __repr__(self) -> str:
        return shown(self)


@promotes
@helpful
def accumulated_local_effects(
    predictor: Any,
    x: Any,
    column: Any,
    *,
    bins: int = 20,
    task: str | None = None,
    output: str | None = None,
) -> LocalEffects:
    """What the output gains, on average, from each step along a column, added up from the lowest value on.

    In bin `k`, from edge `z_(k-1)` to `z_k` (quantiles of the column), the local effect is the mean over the rows of
    the bin of `f(x with column = z_k) - f(x with column = z_(k-1))`. Only rows near a value are asked about it, so
    unlike partial dependence it needs no rows that can't be where columns hang together.

    Args:
      predictor: a pair `(model, params)`, an `Ensemble`, or what `jaxbm.load` or `jaxbm.load_members` returns.
      x: features, float `[n, in]`; for a saved model with its preparation also a table. Rows in which the column is
        missing are left out.
      column: the name of a column of numbers, or a feature's number.
      bins: how many at most; fewer where many rows have the same value.
      task, output: as for `partial_dependence`.

    Returns:
      A `LocalEffects`.

    Raises:
      ValueError, TypeError: an argument is unusable, such as a column without an order.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> model = jaxbm.MLP((3, 1))  # a straight line: its effect is one, too
      >>> params = model.init(jax.random.key(0))
      >>> x = np.random.default_rng(0).normal(size=(500, 3)).astype("float32")
      >>> found = jaxbm.understand.accumulated_local_effects((model, params), x, 1)
      >>> slopes = np.diff(found.effects[:, 0]) / np.diff(found.grid)
      >>> bool(np.allclose(slopes, params[0].weight[1, 0], atol=1e-4))
      True

    Source: Apley and Zhu, "Visualizing the Effects of Predictor Variables" (2020).
    """
    asked = predictor_of(predictor, task, output)
    rows = Rows(asked, x, features_of(asked, x))
    groups = groups_of(asked, rows.features.shape[1], [column])
    (name, places), *_ = groups.items()
    values = rows.values(name, places)
    if values.dtype.kind == "b":
        values = values.astype(np.int8)
    if not is_number(values):
        told = "holds dates" if values.dtype.kind == "M" else "has no order"
        raise ValueError(
            f"column: expected one of numbers, {name!r} {told}; jaxbm.understand.partial_dependence takes it"
        )
    known = ~np.isnan(values.astype(np.float64))
    levels = np.linspace(0, 1, checks.positive_int("bins", bins) + 1)
    edges = np.unique(np.quantile(values[known], levels, method="inverted_cdf")) if known.any() else values[:0]
    if len(edges) < 2:
        raise ValueError(f"column: expected two or more different values in {name!r}, got {len(edges)}")
    upper = np.clip(np.searchsorted(edges, values[known]), 1, len(edges) - 1)
    counts = np.bincount(upper - 1, minlength=len(edges) - 1)
    mask = np.zeros(rows.features.shape[1], bool)
    mask[places] = True
    local = _local(
        asked.kind,
        asked.numbers,
        rows.features[known],
        mask,
        rows.encoded(name, places, edges),
        upper.astype(np.int32),
    )
    gains = np.asarray(local, np.float64) / np.maximum(counts, 1)[:, None]
    effects = np.concatenate([np.zeros((1, gains.shape[1])), np.cumsum(gains, axis=0)])
    middle = (effects[1:] + effects[:-1]) / 2
    effects -= (counts / counts.sum()) @ middle
    return LocalEffects(name, edges, effects, counts, asked.outputs)


@partial(jax.jit, static_argnums=0)
def _local(kind: Kind, numbers: Numbers, x: Array, mask: Array, edges: Array, upper: Array) -> Array:
    """`[bins, out]`: the sum over each bin's rows of what the output gains from its lower edge to its upper one."""
    both = jnp.concatenate([jnp.where(mask, edges[at], x) for at in (upper - 1, upper)])
    low, high = jnp.split(outputs(kind, numbers, both), 2)
    return jax.ops.segment_sum(high - low, upper - 1, edges.shape[0] - 1)
