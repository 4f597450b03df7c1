"""MLPs of different hidden widths in one rectangular network: padding with zeros, and cutting it off again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.models.dense import Dense, Params

Sizes = tuple[int, ...]


def padded_model(models: Sequence[Any]) -> Any:
    """The narrowest network that all of them fit into.

    Raises:
      ValueError: they differ in more than hidden widths.
    """
    one = models[0]
    first: dict[Any, int] = {}
    for k, model in enumerate(models):
        first.setdefault(model, k)
    if len(first) == 1:
        return one
    for model, k in first.items():
        for field in fields(one):
            a, b = getattr(one, field.name), getattr(model, field.name, None)
            if field.name == "sizes" and b is not None:
                a, b = (len(a), a[0], a[-1]), (len(b), b[0], b[-1])
            if a != b:
                raise ValueError(
                    f"model: expected members that differ in hidden widths only, but {field.name} is "
                    f"{getattr(one, field.name)!r} in member 0 and {getattr(model, field.name, None)!r} in member {k}"
                )
    if len(first) > 1 and not all(isinstance(given, str) for given in one.activations):
        raise ValueError(
            "model: expected activations by name for members that differ in widths, got a function, which may mix "
            "units"
        )
    widest = tuple(int(width) for width in np.max([model.sizes for model in first], axis=0))
    return replace(one, sizes=widest)


def padded_params(sizes: Sizes, params: Params) -> Params:
    """Parameters (with any leading axes) of a narrower network, filled up with zeros to the widths `sizes`; those on
    the host stay there."""
    layers = []
    for layer, fan_in, fan_out in zip(params, sizes[:-1], sizes[1:], strict=True):
        lead = [(0, 0)] * (layer.weight.ndim - 2)
        rows, columns = fan_in - layer.weight.shape[-2], fan_out - layer.weight.shape[-1]
        pad: Any = np.pad if isinstance(layer.weight, np.ndarray) else jnp.pad
        weight = pad(layer.weight, [*lead, (0, rows), (0, columns)])
        bias = None if layer.bias is None else pad(layer.bias, [*lead, (0, columns)])
        layers.append(Dense(weight, bias))
    return tuple(layers)


def cut(sizes: Sizes, tree: Any) -> Any:
    """One member's tree without padding: every set of parameters in it, cut to the widths `sizes`."""

    def is_params(node: Any) -> bool:
        return isinstance(node, tuple) and bool(node) and all(isinstance(layer, Dense) for layer in node)

    def narrow(node: Any) -> Any:
        if not is_params(node):
            return node
        return tuple(
            Dense(layer.weight[:fan_in, :fan_out], None if layer.bias is None else layer.bias[:fan_out])
            for layer, fan_in, fan_out in zip(node, sizes[:-1], sizes[1:], strict=True)
        )

    return jax.tree.map(narrow, tree, is_leaf=is_params)
