"""An MLP over rows in which one feature takes value after value, as one call of the compiled CPU kernel."""

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.kernels.calls import kernel_call
from jaxbm.kernels.mlp import apply as whole
from jaxbm.kernels.native import code, knows
from jaxbm.models.activations import activation
from jaxbm.models.mlp import MLP
from jaxbm.models.protocol import Model, Params

MOST_VALUES = 256
"""The kernel's, in one call."""


@lru_cache
def is_straight(name: str) -> bool:
    """Whether an activation is two straight lines that meet at zero: a unit switches at most once along a line."""
    with jax.ensure_compile_time_eval():
        low, zero, high = (np.asarray(activation(name)(jnp.float32([x, 64 * x]))) for x in (-1, 0, 1))
    return bool(low[1] == 64 * low[0] and not zero.any() and high.tolist() == [1, 64])


def behind(model: MLP) -> MLP:
    """The network of the layers behind the first: its features are the first layer's units."""
    return replace(model, sizes=model.sizes[1:], activation=model.activations[1:])


def slower(model: Model, *arrays: Any) -> str | None:
    """Why the kernel can't compute, or would be slower at, this network here; None where it is the faster one.

    `arrays`: pytree of features and parameters.
    """
    if (reason := whole.slower(model, *arrays)) is not None:
        return reason
    assert isinstance(model, MLP)  # it knows no other, and their activations by name
    if len(model.sizes) < 3:
        return "there is one layer"
    first = str(model.activations[0])
    if not is_straight(first):
        return f"the first activation, {first!r}, is not made of two straight lines"
    return None if knows("jaxbm_along") else "the compiled kernels are older than this call"


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
    rest = behind(model)
    layers = [leaf for layer in params[1:] for leaf in (layer.weight, layer.bias) if leaf is not None]
    pieces = [values[at : at + MOST_VALUES] for at in range(0, values.shape[0], MOST_VALUES)]
    several = [_along(model, rest, piece, slope, base, layers) for piece in pieces]
    return several[0] if len(several) == 1 else jnp.concatenate(several, axis=-2)


def _along(model: Any, rest: Any, values: Array, slope: Array, base: Array, layers: list[Array]) -> Array:
    attributes = (
        ("sizes", rest.sizes),
        ("activations", tuple(code("activation", name) for name in rest.activations)),
        ("first", code("activation", model.activations[0])),
        ("bias", int(model.use_bias)),
        ("threads", 0),
    )
    results = (((base.shape[0], values.shape[0], rest.sizes[-1]), jnp.dtype("float32")),)
    call = kernel_call("jaxbm_along", attributes, (), results)

    def kernel(*arrays: Array) -> Array:
        return call(*arrays)[0]

    # Lowered for another platform, the call would name a kernel that does not exist there.
    return lax.platform_dependent(values, slope, base, *layers, cpu=kernel, default=partial(_plain, model, rest))


def _plain(model: MLP, rest: MLP, values: Array, slope: Array, base: Array, *layers: Array) -> Array:
    hidden = activation(model.activations[0])(base[:, None] + slope * values[:, None])
    step = 2 if model.use_bias else 1
    for name, at in zip((*rest.activations, rest.output_activation), range(0, len(layers), step), strict=True):
        hidden = hidden @ layers[at]
        hidden = activation(name)(hidden + layers[at + 1] if model.use_bias else hidden)
    return hidden
