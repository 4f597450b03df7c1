"""Rows in which one column's values change places: the first layer gains what differs, unit by unit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.kernels.mlp import shifted
from jaxbm.models.activations import activation
from jaxbm.models.dense import affine
from jaxbm.understand.predictor import Kind, Numbers, Predictor, logits_of
from jaxbm.understand.sums import FEW, unit_by_unit
from jaxbm.understand.sums import slower as sums_slower

MOST_TOGETHER = 16
"""Features of a column up to which their differences are multiplied one by one."""
BLOCK_OUTPUTS = 1 << 19
"""Numbers that come out of one call."""

BLOCK_UNIT = 1 << 15
"""Values of a unit that are computed at once: what stays in a core's cache."""


def slower(asked: Predictor, rows: np.ndarray, places: list[list[int]]) -> str | None:
    """Why a network is not asked this way; None where it is."""
    if not _by_kernel(asked.kind, asked.numbers, rows):
        if (reason := sums_slower(asked.kind, asked.numbers, rows)) is not None:
            return reason
        if asked.kind.model.sizes[2] > FEW:
            return "its second layer has many outputs"
    if max(map(len, places)) > MOST_TOGETHER:
        return "a column has many features"
    return None if np.isfinite(rows).all() else "a feature is not finite"


def _by_kernel(kind: Kind, numbers: Numbers, x: Any) -> bool:
    """Whether the compiled kernel computes what comes behind the differences, whatever the layers there."""
    return shifted.slower(kind.model, numbers.params, x) is None


def logits_of_disorder(
    asked: Predictor, rows: np.ndarray, places: list[list[int]], orders: np.ndarray
) -> Iterator[tuple[int, Array]]:
    """For several columns at once, how many and `[columns * repeats, n, out]`: `logits` of the rows `[n, in]` with
    each column's features in the orders' places. The last several are filled up with columns that came before."""
    width = 1 << (max(map(len, places)) - 1).bit_length()  # few shapes to compile for
    at, there = np.zeros((len(places), width), np.int32), np.zeros((len(places), width), rows.dtype)
    for i, group in enumerate(places):
        at[i, : len(group)], there[i, : len(group)] = group, 1
    members = jax.tree.leaves(asked.numbers.params)[0].shape[0] if asked.kind.is_ensemble else 1
    several = max(1, min(len(places), BLOCK_OUTPUTS // (members * orders.size * asked.kind.model.n_outputs)))
    x, drawn = jnp.asarray(rows), jnp.asarray(orders.astype(np.int32))
    base = _base(asked.kind, asked.numbers, x)
    of_columns = _disorder_by_kernel if _by_kernel(asked.kind, asked.numbers, rows) else _disorder
    for first in range(0, len(places), several):
        block = np.arange(first, first + several) % len(places)  # always as many: one shape to compile for
        found = of_columns(asked.kind, asked.numbers, base, x, drawn, at[block], there[block])
        yield min(several, len(places) - first), found


@partial(jax.jit, static_argnums=0)
def _base(kind: Kind, numbers: Numbers, x: Array) -> Array:
    """`[units, n]`: the first layer's affine part; of an ensemble `[M, units, n]`."""

    def of(params: Any) -> Array:
        return affine(params[0], x).T

    return jax.vmap(of)(numbers.params) if kind.is_ensemble else of(numbers.params)


def _in_blocks(rows: Array, block: int) -> Array:
    """`[..., n]` as `[blocks, ..., block]`, filled up with zeros."""
    padded = jnp.pad(rows, ((0, 0),) * (rows.ndim - 1) + ((0, -rows.shape[-1] % block),))
    return jnp.moveaxis(padded.reshape(*rows.shape[:-1], -1, block), -2, 0)


@partial(jax.jit, static_argnums=0)
def _disorder(
    kind: Kind, numbers: Numbers, base: Array, x: Array, orders: Array, places: Array, there: Array
) -> Array:
    """`[columns * repeats, n, out]`; `places` `[columns, features]` of the columns, and 0 where `there` is none."""
    act, block = activation(kind.model.activations[0]), min(x.shape[0], max(1, BLOCK_UNIT // len(orders)))

    def raw(member: tuple[Any, Array]) -> Array:
        params, units = member[0], _in_blocks(member[1], block)

        def of_column(column: tuple[Array, Array]) -> Array:
            at, known = column
            values, weights = (x[:, at] * known).T, params[0].weight[at].T
            gained = _in_blocks(jnp.take(values, orders, axis=1, mode="clip") - values[:, None], block)

            def of_block(rows: tuple[Array, Array]) -> Array:
                from_here, differences = rows

                def of_unit(unit: tuple[Array, Array]) -> Array:
                    z, weight = unit
                    return act(z + sum(d * w for d, w in zip(differences, weight, strict=True)))

                return unit_by_unit(kind.model, params, (len(orders), block), (from_here, weights), of_unit)

            found = jnp.moveaxis(lax.map(of_block, (units, gained)), 0, 1)
            return found.reshape(len(orders), -1, kind.model.n_outputs)[:, : x.shape[0]]

        return lax.map(of_column, (places, there)).reshape(-1, kind.model.n_outputs)

    member = (numbers.params, base)
    found = logits_of(kind, numbers, lax.map(raw, member) if kind.is_ensemble else raw(member))
    return found.reshape(-1, *x.shape[:1], *found.shape[1:])


@partial(jax.jit, static_argnums=0)
def _disorder_by_kernel(
    kind: Kind, numbers: Numbers, base: Array, x: Array, orders: Array, places: Array, there: Array
) -> Array:
    """The same, by the compiled kernel."""
    values = x.T[places] * there[..., None]
    gained = jnp.take(values, orders, axis=2, mode="clip") - values[:, :, None]  # [columns, features, repeats, n]
    amounts = jnp.moveaxis(gained, 1, 2).reshape(-1, places.shape[1], x.shape[0])

    def raw(params: Any, base: Array) -> Array:
        found = shifted.shifted(kind.model, params, base, params[0].weight[places], amounts)
        return found.reshape(-1, kind.model.n_outputs)

    each = jax.vmap(raw) if kind.is_ensemble else raw
    found = logits_of(kind, numbers, each(numbers.params, base))
    return found.reshape(-1, *x.shape[:1], *found.shape[1:])
