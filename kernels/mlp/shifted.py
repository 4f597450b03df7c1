"""An MLP over rows whose first layer is shifted in many ways, as one call of the compiled CPU kernel."""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jaxbm.kernels.calls import kernel_call
from jaxbm.kernels.mlp import apply as whole
from jaxbm.kernels.mlp.along import behind
from jaxbm.kernels.native import code, knows
from jaxbm.models.activations import activation
from jaxbm.models.mlp import MLP
from jaxbm.models.protocol import Model, Params


def slower(model: Model, *arrays: Any) -> str | None:
    """Why the kernel can't compute, or would be slower at, this network here; None where it is the faster one.

    `arrays`: pytree of features and parameters.
    """
    if (reason := whole.slower(model, *arrays)) is not None:
        return reason
    assert isinstance(model, MLP)  # it knows no other, and their activations by name
    if len(model.sizes) < 3:
        return "there is one layer"
    return None if knows("jaxbm_shifted") else "the compiled kernels are older than this call"


def shifted(model: Any, params: Params, base: Array, directions: Array, amounts: Array) -> Array:
    """Logits of `n` rows in each of `k` cases, which differ in the first layer's affine part alone.

    In case `c` row `i` has `act(base[:, i] + sum_f amounts[c, f, i] * directions[c // (k // g), f])` behind its first
    layer, and goes on from there. Where few features change, that is less than the first layer's product.

    Args:
      model, params: the network; see `slower`.
      base: float32 `[units, n]`, the first layer's affine part.
      directions: float32 `[g, features, units]`; `g` divides `k`.
      amounts: float32 `[k, features, n]`, or `[k, features, 1]` for the same in all rows.

    Returns:
      `[k, n, out]`.
    """
    rest: Any = behind(model)
    layers = [leaf for layer in params[1:] for leaf in (layer.weight, layer.bias) if leaf is not None]
    attributes = (
        ("sizes", rest.sizes),
        ("activations", tuple(code("activation", name) for name in rest.activations)),
        ("first", code("activation", model.activations[0])),
        ("bias", int(model.use_bias)),
        ("threads", 0),
    )
    results = (((amounts.shape[0], base.shape[1], rest.sizes[-1]), jnp.dtype("float32")),)
    call = kernel_call("jaxbm_shifted", attributes, (), results)

    def kernel(*arrays: Array) -> Array:
        return call(*arrays)[0]

    # Lowered for another platform, the call would name a kernel that does not exist there.
    return lax.platform_dependent(amounts, directions, base, *layers, cpu=kernel, default=partial(_plain, model))


def _plain(model: MLP, amounts: Array, directions: Array, base: Array, *layers: Array) -> Array:
    each = jnp.repeat(directions, amounts.shape[0] // directions.shape[0], axis=0)
    hidden = activation(model.activations[0])(base.T + jnp.einsum("kfn,kfu->knu", amounts, each))
    step = 2 if model.use_bias else 1
    for name, at in zip((*model.activations[1:], model.output_activation), range(0, len(layers), step), strict=True):
        hidden = hidden @ layers[at]
        hidden = activation(name)(hidden + layers[at + 1] if model.use_bias else hidden)
    return hidden
