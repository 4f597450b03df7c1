"""What kernels share that take a network from behind its first layer's affine part on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jaxbm.kernels.calls import kernel_call
from jaxbm.kernels.mlp import apply as whole
from jaxbm.kernels.native import code, knows
from jaxbm.models.activations import activation
from jaxbm.models.mlp import MLP
from jaxbm.models.protocol import Model, Params


def behind(model: MLP) -> MLP:
    """The network of the layers behind the first: its features are the first layer's units."""
    return replace(model, sizes=model.sizes[1:], activation=model.activations[1:])


def slower(target: str, model: Model, *arrays: Any) -> str | None:
    """Why such a kernel can't compute, or would be slower at, this network here; None where it is the faster one.

    Args:
      target: its name in the library.
      arrays: pytree of features and parameters.
    """
    if (reason := whole.slower(model, *arrays)) is not None:
        return reason
    assert isinstance(model, MLP)  # it knows no other, and their activations by name
    if len(model.sizes) < 3:
        return "there is one layer"
    return None if knows(target) else "the compiled kernels are older than this call"


def logits(
    target: str,
    model: Any,
    params: Params,
    shape: tuple[int, ...],
    first: Callable[..., Array],
    arrays: Sequence[Array],
) -> Array:
    """Logits `[*shape, out]`.

    Args:
      target: the kernel's name in the library.
      model, params: the network.
      shape: of the rows.
      first: on other platforms, from `arrays` to what comes before the first activation, `[*shape, units]`.
      arrays: float32, what the kernel reads besides the layers behind the first.
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
    results = (((*shape, rest.sizes[-1]), jnp.dtype("float32")),)
    call = kernel_call(target, attributes, (), results)

    def kernel(*read: Array) -> Array:
        return call(*read)[0]

    def by_xla(*read: Array) -> Array:
        return plain(model, first(*read[: len(arrays)]), read[len(arrays) :])

    # Lowered for another platform, the call would name a kernel that does not exist there.
    return lax.platform_dependent(*arrays, *layers, cpu=kernel, default=by_xla)


def plain(model: MLP, first: Array, layers: Sequence[Array]) -> Array:
    """Logits in plain JAX: from the first layer's affine part `[..., units]` and the weights and biases behind it."""
    hidden, step = activation(model.activations[0])(first), 2 if model.use_bias else 1
    for name, at in zip((*model.activations[1:], model.output_activation), range(0, len(layers), step), strict=True):
        hidden = hidden @ layers[at]
        hidden = activation(name)(hidden + layers[at + 1] if model.use_bias else hidden)
    return hidden
