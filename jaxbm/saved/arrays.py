"""Parameters as named arrays: a leaf's place in the pytree is its name in a file."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.core.files import bits, from_bits
from jaxbm.models.protocol import Model, Params, path_name, shapes_of


def packed(params: Params, prefix: str = "") -> dict[str, np.ndarray]:
    """Arrays on the host, such as `0.weight`, each name after `prefix`.

    Raises:
      TypeError: a leaf is no array of numbers, but a random key.
      ValueError: two leaves would have one name.
    """
    found: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree.leaves_with_path(params):
        name = prefix + path_name(path)
        if jnp.issubdtype(leaf.dtype if hasattr(leaf, "dtype") else float, jax.dtypes.extended):
            raise TypeError(f"params: expected numbers for {name}, got dtype {leaf.dtype}; save jax.random.key_data")
        if name in found:
            raise ValueError(f"params: expected places of different names, got two that are called {name!r}")
        found[name] = bits(leaf)
    return found


def unpacked(model: Model, arrays: dict[str, np.ndarray], prefix: str = "", *, members: bool = False) -> Params:
    """The parameters of `model` from arrays that `packed` named, on the device.

    Args:
      model: says the structure, shapes and dtypes.
      arrays, prefix: as for `packed`.
      members: whether every array has a leading axis of members.

    Raises:
      ValueError: one lacks, or has another shape.
    """
    like = shapes_of(model)
    lead = {leaf.shape[:1] for name, leaf in arrays.items() if name.startswith(prefix)} if members else {()}
    counts = sorted(lead)

    def leaf_of(path: Any, want: Any) -> Any:
        name = prefix + path_name(path)
        if name not in arrays:
            raise ValueError(f"expected an array {name}, got {sorted(arrays)}")
        expected = [(*count, *want.shape) for count in counts[:1]]
        if arrays[name].shape not in expected:
            raise ValueError(f"{name}: expected shape {list(*expected)}, got {list(arrays[name].shape)}")
        return from_bits(arrays[name], want.dtype)

    return jax.tree.map_with_path(leaf_of, like)
