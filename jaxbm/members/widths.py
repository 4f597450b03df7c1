"""Members of different widths in one rectangular network: padding with zeros, and cutting it off again."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.models.mlp import MLP, Dense, Params


def padded_model(models: Sequence[MLP]) -> MLP:
    """The narrowest network that all of them fit into.

    Raises:
      ValueError: they differ in more than hidden widths.
    """
    one = models[0]
    first: dict[MLP, int] = {}
    for k, model in enumerate(models):
        first.setdefault(model, k)
    for model, k in first.items():
        for field in one.__dataclass_fields__:
            a, b = getattr(one, field), getattr(model, field)
            if field == "sizes":
                a, b = (len(a), a[0], a[-1]), (len(b), b[0], b[-1])
            if a != b:
                raise ValueError(
                    f"model: expected members that differ in hidden widths only, but {field} is "
                    f"{getattr(one, field)!r} in member 0 and {getattr(model, field)!r} in member {k}"
                )
    widest = tuple(int(width) for width in np.max([model.sizes for model in first], axis=0))
    return MLP(widest, **{f: getattr(one, f) for f in one.__dataclass_fields__ if f != "sizes"})


def padded_params(model: MLP, params: Params) -> Params:
    """Parameters (with any leading axes) of a narrower network, filled up with zeros to the widths of `model`."""
    layers = []
    for layer, fan_in, fan_out in zip(params, model.sizes[:-1], model.sizes[1:], strict=True):
        lead = [(0, 0)] * (layer.weight.ndim - 2)
        rows, columns = fan_in - layer.weight.shape[-2], fan_out - layer.weight.shape[-1]
        weight = jnp.pad(layer.weight, [*lead, (0, rows), (0, columns)])
        bias = None if layer.bias is None else jnp.pad(layer.bias, [*lead, (0, columns)])
        layers.append(Dense(weight, bias))
    return tuple(layers)


@partial(jax.jit, static_argnums=(0, 1))
def initial_params(model: MLP, kinds: tuple[MLP, ...], keys: Sequence[Array], places: Array) -> Params:
    """`[M, ...]`: each member's parameters, drawn by its own architecture and padded to `model`.

    Args:
      model: the padded network.
      kinds: the different architectures.
      keys: for each of them, its members' keys.
      places: `[M]`, where member `k` stands among the members sorted by architecture.
    """
    parts = [padded_params(model, jax.vmap(kind.init)(own)) for kind, own in zip(kinds, keys, strict=True)]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[places], *parts)


def draw(model: MLP, models: Sequence[MLP], keys: Array) -> Params:
    """Initial parameters of members with their own architectures, each what it would be alone."""
    kinds = tuple(dict.fromkeys(models))
    number = {kind: i for i, kind in enumerate(kinds)}
    kind_of = np.asarray([number[m] for m in models])
    order = np.argsort(kind_of, kind="stable")
    places = np.empty(len(models), np.int32)
    places[order] = np.arange(len(models), dtype=np.int32)
    own = [keys[np.flatnonzero(kind_of == kind)] for kind in range(len(kinds))]
    return initial_params(model, kinds, own, jnp.asarray(places))


def cut(model: MLP, tree: Any) -> Any:
    """One member's tree without padding: every set of parameters in it, cut to the widths of `model`."""

    def is_params(node: Any) -> bool:
        return isinstance(node, tuple) and bool(node) and all(isinstance(layer, Dense) for layer in node)

    def narrow(node: Any) -> Any:
        if not is_params(node):
            return node
        sizes = zip(node, model.sizes[:-1], model.sizes[1:], strict=True)
        return tuple(
            Dense(layer.weight[:fan_in, :fan_out], None if layer.bias is None else layer.bias[:fan_out])
            for layer, fan_in, fan_out in sizes
        )

    return jax.tree.map(narrow, tree, is_leaf=is_params)
