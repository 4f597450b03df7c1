"""Keys from seeds and of many members, made on the host: by JAX, a handful of operations would each be compiled."""

from __future__ import annotations

import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.checks import is_traced
from jaxbm.core.counter import Words
from jaxbm.core.counter import words as words_inside
from jaxbm.core.device import placed

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def seed_key(seed: int) -> Array:
    """`jax.random.key(seed)`.

    Example:
      >>> import jax
      >>> from jaxbm.core.keys import seed_key
      >>> bool(seed_key(3) == jax.random.key(3))
      True
    """
    if jax.config.jax_default_prng_impl != "threefry2x32" or not 0 <= seed < 2**31:  # type: ignore[attr-defined]
        return jax.random.key(seed)
    return jax.random.wrap_key_data(placed(np.asarray([0, seed], np.uint32)), impl="threefry2x32")


def member_words(keys: Array) -> Words:
    """`counter.words` of each of the keys `[M]`, uint32 `[M]` each; on the host, where a compiled function takes them
    sooner than they could be brought to the device."""
    data = host_data(keys)
    if data.shape[-1] != 2:
        return _words_inside(keys)
    words: Any = tuple(data.T.copy())
    return words


def key_words(key: Array) -> Words:
    """`counter.words` of one key."""
    data = host_data(key)
    return (data[0], data[1]) if len(data) == 2 else words_inside(key)


def host_data(keys: Array) -> np.ndarray:
    """uint32 `[..., k]`: what keys are made of, typed ones or raw ones."""
    if not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        with jax.ensure_compile_time_eval():
            return np.asarray(keys)
    known = _words.get(id(keys))
    if known is None or known[0]() is not keys:
        with jax.ensure_compile_time_eval():  # keys that are known stay so inside a transformation
            return _known_words(keys, np.asarray(jax.random.key_data(keys)))
    return known[1]


_words: dict[int, tuple[Any, np.ndarray]] = {}
"""What typed keys are made of, as long as they live: JAX takes longer to tell than to draw some thousand numbers."""


def _known_words(keys: Array, data: np.ndarray) -> np.ndarray:
    if not is_traced(keys):
        data.flags.writeable, name = False, id(keys)
        _words[name] = weakref.ref(keys, lambda _: _words.pop(name, None)), data
    return data


_words_inside = jax.jit(jax.vmap(words_inside))


def member_keys(key: Any, members: int) -> Array:
    """Keys `[members]`, of which the k-th is `jax.random.fold_in(key, k)` whatever `members` is.

    Args:
      key: one JAX key, typed or its uint32 words; may be traced.
      members: how many.

    Example:
      >>> import jax
      >>> from jaxbm.core.keys import member_keys
      >>> key = jax.random.key(3)
      >>> bool((member_keys(key, 5)[4] == jax.random.fold_in(key, 4)).all())
      True
    """
    return folded_keys(key, np.arange(members, dtype=np.uint32))


def folded_keys(key: Any, words: np.ndarray) -> Array:
    """`jax.random.fold_in(key, word)` for each of the words, uint32 `[M]`: on the host, where milliseconds of tracing
    would be more than the arithmetic, unless the key is traced or of another kind than JAX's default."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    kind = jax.random.key_impl(key) if typed else jax.config.jax_default_prng_impl  # type: ignore[attr-defined]
    if is_traced(key) or kind != "threefry2x32" or key.ndim != (0 if typed else 1):
        return jax.vmap(lambda word: jax.random.fold_in(key, word))(jnp.asarray(words))
    folded = np.stack(threefry(host_data(key), np.zeros_like(words), words), axis=1)
    if not typed:
        return placed(folded)
    keys = jax.random.wrap_key_data(placed(folded), impl=kind)
    _known_words(keys, folded)
    return keys


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
