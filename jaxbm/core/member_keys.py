"""Keys of many members from one key, on the host: drawn by JAX, a handful of operations would each be compiled."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.checks import is_traced

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def member_keys(key: Any, members: int) -> Array:
    """Keys `[members]`, of which the k-th is `jax.random.fold_in(key, k)` whatever `members` is.

    Args:
      key: one JAX key, typed or its uint32 words; may be traced.
      members: how many.

    Example:
      >>> import jax
      >>> from jaxbm.core.member_keys import member_keys
      >>> key = jax.random.key(3)
      >>> bool((member_keys(key, 5)[4] == jax.random.fold_in(key, 4)).all())
      True
    """
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    kind = jax.random.key_impl(key) if typed else jax.config.jax_default_prng_impl  # type: ignore[attr-defined]
    if is_traced(key) or kind != "threefry2x32" or key.ndim != (0 if typed else 1):
        return jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(members, dtype=jnp.uint32))
    words = np.asarray(jax.random.key_data(key) if typed else key)
    folded = np.stack(threefry(words, np.zeros(members, np.uint32), np.arange(members, dtype=np.uint32)), axis=1)
    return jax.random.wrap_key_data(jnp.asarray(folded), impl=kind) if typed else jnp.asarray(folded)


def threefry(key: np.ndarray, x0: np.ndarray, x1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Threefry-2x32 with 20 rounds, of uint32 `[2]` and two of one shape.

    Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    k0, k1 = np.uint32(key[0]), np.uint32(key[1])
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(PARITY))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for group in range(5):
        for r in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << np.uint32(r)) | (x1 >> np.uint32(32 - r)))
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + np.uint32((int(keys[(group + 2) % 3]) + group + 1) % 2**32)
    return x0, x1
