"""Initial parameters of members of different widths, in one padded network."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

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
    order = np.argsort(kind_of, kind="stable")
    places = np.empty(len(models), np.int32)
    places[order] = np.arange(len(models), dtype=np.int32)
    own = [keys[np.flatnonzero(kind_of == kind)] for kind in range(len(kinds))]
    return initial_params(model, kinds, own, jnp.asarray(places))
