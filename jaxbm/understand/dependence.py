"""Partial dependence and individual conditional expectation: the output as one column (or two) takes other values."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core import arrays, checks
from jaxbm.core.brief import shown
from jaxbm.core.calls import helpful
from jaxbm.core.dataframe import tidy
from jaxbm.core.settings import promotes
from jaxbm.understand.columns import groups_of
from jaxbm.understand.grids import Rows, grid_of
from jaxbm.understand.lines import Line, line_of, outputs_along
from jaxbm.understand.lines import slower as lines_slower
from jaxbm.understand.predictor import Kind, Numbers, Predictor, features_of, outputs, predictor_of, weights_of
from jaxbm.understand.sums import MOST_VALUES, Sums, outputs_of_sums, rows_of, sums_of
from jaxbm.understand.sums import slower as sums_slower

BLOCK_ROWS = 1 << 13
"""Rows that are predicted in one call."""
BLOCK_OUTPUTS = 1 << 18
"""Numbers that come out of one call along a line."""
SUMMED = 64
"""Rows that are added up before their sums are, against rounding."""


@dataclass(frozen=True)
class Dependence:
    """The output by the values of one column or two; made by `partial_dependence`."""

    names: tuple[str, ...]
    """one column, or two"""
    grid: tuple[np.ndarray, ...]
    """each column's values"""
    average: np.ndarray
    """`[len(grid[0]), ..., out]`: the mean over the rows"""
    individual: np.ndarray | None
    """`[len(grid[0]), ..., n, out]`: every row's own curve, where it was asked for"""
    outputs: tuple[str, ...] | None = None
    """names of the outputs, where they are known"""

    def centered(self) -> Dependence:
        """The same with every row's curve starting at zero, which shows where rows differ in shape."""
        first = (0,) * len(self.grid)
        individual = None if self.individual is None else self.individual - self.individual[first]
        return replace(self, average=self.average - self.average[first], individual=individual)

    def table(self) -> Any:
        """A line for each value (or pair of values): the value and the mean of each output."""
        places = np.indices(self.average.shape[:-1]).reshape(len(self.grid), -1)
        columns = {n: values[at] for n, values, at in zip(self.names, self.grid, places, strict=True)}
        flat = self.average.reshape(-1, self.average.shape[-1])
        names = self.outputs or tuple(f"output {i}" for i in range(flat.shape[1]))
        return tidy(columns | {f"mean {n}": flat[:, i] for i, n in enumerate(names)})

    def __repr__(self) -> str:
        return shown(self)


@promotes
@helpful
def partial_dependence(
    predictor: Any,
    x: Any,
    columns: Any,
    *,
    grid: Any = None,
    grid_points: int = 100,
    percentiles: tuple[float, float] = (0.05, 0.95),
    individual: bool = False,
    sample_weight: ArrayLike | None = None,
    task: str | None = None,
    output: str | None = None,
) -> Dependence:
    """The mean output over the rows when a column (or two) is set to one value after another in all of them.

    For value `v` it is `sum_i w_i f(x_i with column = v) / sum_i w_i`. The curve of a row by itself is its individual
    conditional expectation. Rows may be asked about that can't be: where columns hang together, see
    `accumulated_local_effects`.

    Args:
      predictor: a pair `(model, params)`, an `Ensemble`, or what `jaxbm.load` or `jaxbm.load_members` returns.
      x: features, float `[n, in]`; for a saved model with its preparation also a table, whose columns are then
        changed in their own units.
      columns: a column's name or a feature's number, or a pair of them for their values together.
      grid: the values (of a pair: two lists of them); by default all that occur where they are fewer than
        `grid_points`, else so many between the two percentiles, as in scikit-learn.
      grid_points, percentiles: of the grid.
      individual: keep every row's own curve too.
      sample_weight: nonnegative `[n]`, weighs the rows in the mean.
      task, output: "classification" or "regression"; "raw" or "probability": what is told. By default probabilities
        of a saved classifier (of the second class where there are two), else raw outputs.

    Returns:
      A `Dependence`.

    Raises:
      ValueError, TypeError: an argument is unusable.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> model = jaxbm.MLP((3, 8, 1))
      >>> x = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
      >>> found = jaxbm.understand.partial_dependence(
      ...     (model, model.init(jax.random.key(0))), x, 0, grid_points=20, individual=True)
      >>> found.average.shape, found.individual.shape
      ((20, 1), (20, 50, 1))

    Source: Friedman, "Greedy Function Approximation" (2001); Goldstein et al., "Peeking Inside the Black Box" (2015).
    """
    asked = predictor_of(predictor, task, output)
    rows = Rows(asked, x, features_of(asked, x))
    n, width = rows.features.shape
    pair = columns if isinstance(columns, tuple | list) else (columns,)
    if len(pair) not in (1, 2):
        raise ValueError(f"columns: expected one column or two, got {len(pair)}")
    points = checks.positive_int("grid_points", grid_points)
    ends = arrays.host_real("percentiles", percentiles)
    if ends.shape != (2,) or not 0 <= ends[0] < ends[1] <= 1:
        raise ValueError(f"percentiles: expected two ascending fractions, got {checks.told(percentiles)}")
    individual = checks.flag("individual", individual)
    groups = groups_of(asked, width, list(pair))
    if len(groups) < len(pair):
        raise ValueError(f"columns: expected two different ones, got {pair}")
    if not (grid is None or len(groups) == 1 or isinstance(grid, list | tuple | np.ndarray)):
        raise TypeError(f"grid: expected values for each of {len(groups)} columns, got {checks.told(grid)}")
    given = [None] * len(groups) if grid is None else [grid] if len(groups) == 1 else list(grid)
    if len(given) != len(groups):
        raise ValueError(f"grid: expected values for each of {len(groups)} columns, got {len(given)} lists")
    axes, encoded = [], []
    for (name, places), values in zip(groups.items(), given, strict=True):
        axis = (
            grid_of(name, rows.values(name, places), points, ends) if values is None else rows.asked_for(name, values)
        )
        axes.append(axis)
        encoded.append(rows.encoded(name, places, axis))
    weight = weights_of(sample_weight, n)
    weight = np.ones(n, np.float32) if weight is None else weight
    average, each = _found(asked, individual, rows.features, list(groups.values()), encoded, weight)
    shape = tuple(len(axis) for axis in axes)
    each = None if each is None else each.reshape(*shape, n, -1)
    return Dependence(tuple(groups), tuple(axes), average.reshape(*shape, -1), each, asked.outputs)


def _found(
    asked: Predictor,
    individual: bool,
    x: np.ndarray,
    places: list[list[int]],
    encoded: list[np.ndarray],
    weight: np.ndarray,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The mean `[k, out]` and every row's `[k, n, out]`, the last column's values changing fastest."""
    share = weight / weight.sum()
    inner = _mask(places[-1:], x.shape[1])
    found = line_of(encoded[-1], inner)
    if found is not None and lines_slower(asked.kind, asked.numbers, x) is None:
        outer, others = (encoded[0], _mask(places[:1], x.shape[1])) if len(places) > 1 else (x[:1], inner & False)
        return _along(asked, individual, x, (others, outer), (inner, *found), share)
    mask, lines = _lines(places, encoded, x.shape[1])
    if np.isfinite(lines).all() and sums_slower(asked.kind, asked.numbers, x) is None:
        return _as_sums(asked, individual, x, mask, lines, share)
    block = max(1, min(len(lines), BLOCK_ROWS // len(x)))
    filled = np.pad(lines, ((0, -len(lines) % block), (0, 0))).reshape(-1, block, x.shape[1])
    average, each = _replaced(asked.kind, individual, asked.numbers, x, mask, filled, share)
    return _cut(average, len(lines)), _cut(each, len(lines)) if individual else None


def _along(
    asked: Predictor, individual: bool, x: np.ndarray, outer: Any, inner: Any, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """`_found`, where the last column's values lie on a line."""
    mask, line, back = inner
    n, k = len(x), len(line.steps)
    members = jax.tree.leaves(asked.numbers.params)[0].shape[0] if asked.kind.is_ensemble else 1
    blocks = -(-n * k * members * asked.kind.model.n_outputs // BLOCK_OUTPUTS)
    block = -(-n // (blocks * SUMMED)) * SUMMED
    blocks = -(-n // block)
    x, share = np.pad(x, ((0, blocks * block - n), (0, 0))), np.pad(share, (0, blocks * block - n))
    average, each = _by_blocks(
        asked.kind, individual, asked.numbers, x.reshape(blocks, block, -1), share.reshape(blocks, block), outer,
        mask, line,
    )  # fmt: skip
    mean = np.asarray(average)[:, back]
    mean = mean.reshape(-1, mean.shape[-1])
    if each is None:
        return mean, None
    rows = np.asarray(each).reshape(len(outer[1]), blocks * block, k, -1)[:, :n, back]
    return mean, np.moveaxis(rows, 1, 2).reshape(len(mean), n, -1)


@partial(jax.jit, static_argnums=(0, 1))
def _by_blocks(
    kind: Kind, individual: bool, numbers: Numbers, x: Array, share: Array, outer: Any, mask: Array, line: Line
) -> tuple[Array, Array | None]:
    """`[outer, k, out]`, and `[outer, blocks, block, k, out]`; `x` is `[blocks, block, in]`."""

    def of_value(other: Array) -> tuple[Array, Array | None]:
        def of_block(block: tuple[Array, Array]) -> tuple[Array, Array | None]:
            rows, weight = block
            values = outputs_along(kind, numbers, jnp.where(outer[0], other, rows), mask, line)
            sums = weight.astype(values.dtype).reshape(-1, 1, SUMMED) @ values.reshape(-1, SUMMED, values[0].size)
            return sums.sum(axis=(0, 1)).reshape(values.shape[1:]), values if individual else None

        means, each = lax.map(of_block, (x, share))
        return means.sum(axis=0), each

    return lax.map(of_value, outer[1])


def _as_sums(
    asked: Predictor, individual: bool, x: np.ndarray, mask: np.ndarray, lines: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """`_found`, where the first layer is a sum of what stays and of what is put there."""
    n, k = len(x), len(lines)
    several = min(k, MOST_VALUES)
    block = min(n, rows_of(asked.kind, asked.numbers, several))
    x, share = np.pad(x, ((0, -n % block), (0, 0))), np.pad(share, (0, -n % block))
    middle, offsets = sums_of(np.pad(lines, ((0, -k % several), (0, 0)), mode="edge"), mask)
    average, each = _by_sums(
        asked.kind, individual, asked.numbers, x.reshape(-1, block, x.shape[1]), share.reshape(-1, block), mask,
        Sums(middle, offsets.reshape(-1, several, x.shape[1])),
    )  # fmt: skip
    if each is None:
        return _cut(average, k), None
    rows = np.moveaxis(np.asarray(each), 2, 1)  # [values by block, in it, blocks of rows, in it, out]
    return _cut(average, k), rows.reshape(-1, len(x), rows.shape[-1])[:k, :n]


@partial(jax.jit, static_argnums=(0, 1))
def _by_sums(
    kind: Kind, individual: bool, numbers: Numbers, x: Array, share: Array, mask: Array, sums: Sums
) -> tuple[Array, Array | None]:
    """`[values by block, in it, out]`, and `[values by block, blocks, in it, block, out]`; `x` is
    `[blocks, block, in]`, offsets are `[values by block, in it, in]`."""

    def of_values(offsets: Array) -> tuple[Array, Array | None]:
        def of_block(block: tuple[Array, Array]) -> tuple[Array, Array | None]:
            rows, weight = block
            values = outputs_of_sums(kind, numbers, rows, mask, Sums(sums.middle, offsets))
            return jnp.einsum("n,kno->ko", weight.astype(values.dtype), values), values if individual else None

        means, each = lax.map(of_block, (x, share))
        return means.sum(axis=0), each

    return lax.map(of_values, sums.offsets)


def _mask(places: list[list[int]], width: int) -> np.ndarray:
    mask = np.zeros(width, bool)
    mask[list(itertools.chain(*places))] = True
    return mask


def _lines(places: list[list[int]], encoded: list[np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Which features are replaced, bool `[in]`, and by what, `[k, in]`, the last column's values changing fastest."""
    lines = encoded[0]
    for inner, values in zip(places[1:], encoded[1:], strict=True):
        lines, repeated = np.repeat(lines, len(values), axis=0), np.tile(values, (len(lines), 1))
        lines[:, inner] = repeated[:, inner]
    return _mask(places, width), lines


@partial(jax.jit, static_argnums=(0, 1))
def _replaced(
    kind: Kind, individual: bool, numbers: Numbers, x: Array, mask: Array, lines: Array, share: Array
) -> tuple[Array, Array | None]:
    n, block = x.shape[0], lines.shape[1]

    def of_block(several: Array) -> tuple[Array, Array | None]:
        mixed = jnp.where(mask, several[:, None, :], x).reshape(block * n, -1)
        values = outputs(kind, numbers, mixed).reshape(block, n, -1)
        return jnp.einsum("n,bno->bo", share.astype(values.dtype), values), values if individual else None

    return lax.map(of_block, lines)


def _cut(blocks: Any, count: int) -> np.ndarray:
    """`[blocks, block, ...]` as `[count, ...]`, without what filled the last block."""
    return np.asarray(blocks).reshape(-1, *blocks.shape[2:])[:count]
