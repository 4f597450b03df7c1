"""An MLP over rows in which one feature takes value after value, as one call of the compiled CPU kernel."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.kernels.mlp import behind
from jaxbm.models.activations import activation
from jaxbm.models.protocol import Model, Params

MOST_VALUES = 256
"""The kernel's, in one call."""


@lru_cache
def is_straight(name: str) -> bool:
    """Whether an activation is two straight lines that meet at zero: a unit switches at most once along a line."""
    with jax.ensure_compile_time_eval():
        low, zero, high = (np.asarray(activation(name)(jnp.float32([x, 64 * x]))) for x in (-1, 0, 1))
    return bool(low[1] == 64 * low[0] and not zero.any() and high.tolist() == [1, 64])


def slower(model: Model, *arrays: Any) -> str | None:
    """Why the kernel can't compute, or would be slower at, this network here; None where it is the faster one.

    `arrays`: pytree of features and parameters.
    """
    if (reason := behind.slower("jaxbm_along", model, *arrays)) is not None:
        return reason
    first = str(model.activations[0])  # type: ignore[attr-defined]  # an MLP
    return None if is_straight(first) else f"the first activation, {first!r}, is not made of two straight lines"


def along(model: Any, params: Params, base: Array, slope: Array, values: Array) -> Array:
    """Logits of `n` rows, in each of which one feature takes `k` values.

    Row `i` with value `t` has `act(base[i] + slope * t)` behind its first layer, and goes on from there. A unit
    switches at most once on the way, so the second layer costs what changes, not a product for each value.

    Args:
      model, params: the network; see `slower`.
      base: float32 `[n, units]`, the first layer's affine part where the feature is zero.
      slope: float32 `[units]`, what it gains per one of the feature.
      values: float32 `[k]`, finite and ascending.

    Returns:
      `[n, k, out]`.
    """

    def first(values: Array, slope: Array, base: Array) -> Array:
        return base[:, None] + slope * values[:, None]

    def of(piece: Array) -> Array:
        shape = base.shape[0], piece.shape[0]
        return behind.logits("jaxbm_along", model, params, shape, first, (piece, slope, base))

    several = [of(values[at : at + MOST_VALUES]) for at in range(0, values.shape[0], MOST_VALUES)]
    return several[0] if len(several) == 1 else jnp.concatenate(several, axis=-2)
