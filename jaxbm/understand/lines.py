"""Rows in which one feature takes value after value: a line through the first layer of a network, which is shared."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.kernels.mlp import along
from jaxbm.understand.predictor import Kind, Numbers, logits_of, told


class Line(NamedTuple):
    """Features on a straight line: `middle + direction * step`."""

    middle: Array | np.ndarray
    """float32 `[in]`; zero where features are not replaced"""
    direction: Array | np.ndarray
    """float32 `[in]`: one for the feature that changes, else zero"""
    steps: Array | np.ndarray
    """float32 `[k]`, ascending: from the middle, so that no large and opposite parts are added up"""


def line_of(lines: np.ndarray, mask: np.ndarray) -> tuple[Line, np.ndarray] | None:
    """The line that `lines` `[k, in]` lie on where `mask`, and int `[k]`, each one's place among its steps.

    None where several features change, as those of a category do, or values aren't finite.
    """
    chosen = np.where(mask, np.asarray(lines, np.float64), 0)
    if not np.isfinite(chosen).all():
        return None
    changing = np.flatnonzero(np.ptp(chosen, axis=0))
    if len(changing) > 1:
        return None
    place = changing[0] if len(changing) else int(np.flatnonzero(mask)[0])
    values = chosen[:, place]
    middle, direction = chosen[0].copy(), np.zeros(len(mask), np.float32)
    middle[place] = np.float32((values.min() + values.max()) / 2)
    direction[place] = 1
    order = np.argsort(values, kind="stable")
    steps = (values - middle[place])[order].astype(np.float32)
    return Line(middle.astype(np.float32), direction, steps), np.argsort(order)


def slower(kind: Kind, numbers: Numbers, x: np.ndarray) -> str | None:
    """Why a network is not asked along lines; None where it is."""
    return along.slower(kind.model, numbers.params, x)


def outputs_along(kind: Kind, numbers: Numbers, x: Array, mask: Array, line: Line) -> Array:
    """`[n, k, out]`: `outputs` of `x` `[n, in]` with the masked features at each of the line's steps, ascending."""

    def raw(params: Any) -> Array:
        first = params[0]
        base = jnp.where(mask, line.middle, x) @ first.weight
        base = base if first.bias is None else base + first.bias
        found = along.along(kind.model, params, base, line.direction @ first.weight, jnp.asarray(line.steps))
        return found.reshape(-1, found.shape[-1])

    many = jax.vmap(raw)(numbers.params) if kind.is_ensemble else raw(numbers.params)
    found = told(kind, numbers, logits_of(kind, numbers, many))
    return found.reshape(x.shape[0], len(line.steps), -1)
