"""Initial parameters of members of different widths, in one padded network."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.checks import is_traced
from jaxbm.core.keys import host_data
from jaxbm.models import host_init
from jaxbm.models.dense import Dense
from jaxbm.models.protocol import Model, Params


@partial(jax.jit, static_argnums=(0, 1))
def initial_params(model: Model, kinds: tuple[Model, ...], keys: Sequence[Array], places: Array) -> Params:
    """`[M, ...]`: each member's parameters, drawn by its own architecture and padded to `model`.

    Args:
      model: the padded network.
      kinds: the different architectures.
      keys: for each of them, its members' keys.
      places: `[M]`, where member `k` stands among the members sorted by architecture.
    """
    parts = [model.pad(jax.vmap(kind.init)(own)) for kind, own in zip(kinds, keys, strict=True)]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[places], *parts)


def draw(model: Model, models: Sequence[Model], keys: Array) -> Params:
    """Initial parameters of members with their own architectures, each what it would be alone."""
    kinds = tuple(dict.fromkeys(models))
    number = {kind: i for i, kind in enumerate(kinds)}
    kind_of = np.asarray([number[m] for m in models])
    small = len(models) * model.n_params <= host_init.MOST_NUMBERS
    if small and not is_traced(keys) and not any(map(host_init.unsupported, kinds)) and host_data(keys).shape[1] == 2:
        return _drawn_on_host(model, kinds, kind_of, host_data(keys))
    order = np.argsort(kind_of, kind="stable")
    places = np.empty(len(models), np.int32)
    places[order] = np.arange(len(models), dtype=np.int32)
    own = [keys[np.flatnonzero(kind_of == kind)] for kind in range(len(kinds))]
    return initial_params(model, kinds, own, jnp.asarray(places))


def _drawn_on_host(model: Any, kinds: Sequence[Any], kind_of: np.ndarray, words: np.ndarray) -> Params:
    def zeros(*shape: int) -> Any:
        return np.zeros((len(words), *shape), np.float32)

    pairs = zip(model.sizes[:-1], model.sizes[1:], strict=True)
    found: Any = tuple(Dense(zeros(a, b), zeros(b) if model.use_bias else None) for a, b in pairs)
    for number, kind in enumerate(kinds):
        members = np.flatnonzero(kind_of == number)
        drawn: Any = host_init.host_init(kind, words[members])
        for layer, own in zip(found, drawn, strict=True):
            layer.weight[members, : own.weight.shape[1], : own.weight.shape[2]] = own.weight
            if own.bias is not None:
                layer.bias[members, : own.bias.shape[1]] = own.bias
    return found
