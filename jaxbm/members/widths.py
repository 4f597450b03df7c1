"""Initial parameters of members of different widths, in one padded network."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.checks import is_traced
from jaxbm.core.keys import host_data
from jaxbm.models import host_init
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
    known = small and not is_traced(keys) and not any(map(host_init.unsupported, kinds))
    on_host = known and host_data(keys).shape[1] == 2
    own = [np.flatnonzero(kind_of == kind) for kind in range(len(kinds))]
    places = np.argsort(np.concatenate(own)).astype(np.int32)
    if on_host:
        words = host_data(keys)
        parts = [model.pad(host_init.host_init(kind, words[k])) for kind, k in zip(kinds, own, strict=True)]  # type: ignore[arg-type]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[places], *parts)
    return initial_params(model, kinds, [keys[k] for k in own], jnp.asarray(places))
