"""Rows in which one column's values change places: the first layer gains what differs, unit by unit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.models.activations import activation
from jaxbm.models.dense import affine
from jaxbm.understand.predictor import Kind, Numbers, Predictor, logits_of
from jaxbm.understand.sums import FEW, unit_by_unit
from jaxbm.understand.sums import slower as sums_slower

MOST_TOGETHER = 16
"""Features of a column up to which their differences are multiplied one by one."""
BLOCK_OUTPUTS = 1 << 22
"""Numbers that come out of one call."""

BLOCK_UNIT = 1 << 15
"""Values of a unit that are computed at once: what stays in a core's cache."""


def slower(asked: Predictor, rows: np.ndarray, places: list[list[int]]) -> str | None:
    """Why a network is not asked this way; None where it is."""
    if (reason := sums_slower(asked.kind, asked.numbers, rows)) is not None:
        return reason
    if asked.kind.model.sizes[2] > FEW:
        return "its second layer has many outputs"
    if max(map(len, places)) > MOST_TOGETHER:
        return "a column has many features"
    return None if np.isfinite(rows).all() else "a feature is not finite"


def logits_of_disorder(
    asked: Predictor, rows: np.ndarray, places: list[list[int]], orders: np.ndarray
) -> Iterator[np.ndarray]:
    """For each column `[repeats, n, out]`: `logits` of the rows `[n, in]` with its features in the orders' places."""
    width = 1 << (max(map(len, places)) - 1).bit_length()  # few shapes to compile for
    at, there = np.zeros((len(places), width), np.int32), np.zeros((len(places), width), rows.dtype)
    for i, group in enumerate(places):
        at[i, : len(group)], there[i, : len(group)] = group, 1
    members = jax.tree.leaves(asked.numbers.params)[0].shape[0] if asked.kind.is_ensemble else 1
    several = max(1, min(len(places), BLOCK_OUTPUTS // (members * orders.size * asked.kind.model.n_outputs)))
    for first in range(0, len(places), several):
        block = np.arange(first, first + several) % len(places)  # always as many: one shape to compile for
        found = np.asarray(_disorder(asked.kind, asked.numbers, rows, orders, at[block], there[block]))
        yield from found.reshape(several, *orders.shape, -1)[: len(places) - first]


def _in_blocks(rows: Array, block: int) -> Array:
    """`[..., n]` as `[blocks, ..., block]`, filled up with zeros."""
    padded = jnp.pad(rows, ((0, 0),) * (rows.ndim - 1) + ((0, -rows.shape[-1] % block),))
    return jnp.moveaxis(padded.reshape(*rows.shape[:-1], -1, block), -2, 0)


@partial(jax.jit, static_argnums=0)
def _disorder(kind: Kind, numbers: Numbers, x: Array, orders: Array, places: Array, there: Array) -> Array:
    """`[columns * repeats * n, out]`; `places` `[columns, features]` of the columns, and 0 where `there` is none."""
    act, block = activation(kind.model.activations[0]), min(x.shape[0], max(1, BLOCK_UNIT // len(orders)))

    def raw(params: Any) -> Array:
        first = params[0]
        base = _in_blocks(affine(first, x).T, block)

        def of_column(column: tuple[Array, Array]) -> Array:
            at, known = column
            values, weights = (x[:, at] * known).T, first.weight[at].T
            gained = _in_blocks(jnp.take(values, orders, axis=1) - values[:, None], block)

            def of_block(rows: tuple[Array, Array]) -> Array:
                from_here, differences = rows

                def of_unit(unit: tuple[Array, Array]) -> Array:
                    z, weight = unit
                    return act(z + sum(d * w for d, w in zip(differences, weight, strict=True)))

                return unit_by_unit(kind.model, params, (len(orders), block), (from_here, weights), of_unit)

            found = jnp.moveaxis(lax.map(of_block, (base, gained)), 0, 1)
            return found.reshape(len(orders), -1, kind.model.n_outputs)[:, : x.shape[0]]

        return lax.map(of_column, (places, there)).reshape(-1, kind.model.n_outputs)

    return logits_of(kind, numbers, lax.map(raw, numbers.params) if kind.is_ensemble else raw(numbers.params))
