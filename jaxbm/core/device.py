"""Arrays of the host brought to the device, without a detour and without compiling anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import SingleDeviceSharding
from jax.typing import ArrayLike

ALIGNMENT = 64
"""Bytes: NumPy memory that starts at a multiple of it can be a JAX array on the CPU as it is."""
LARGE = 1 << 22
"""Bytes from which NumPy asks for large pages, which spares most of a new array's cost."""


def on_device(array: ArrayLike) -> Array:
    """`jnp.asarray`, several times as fast for large NumPy arrays on the CPU.

    JAX copies a NumPy array into memory that the system hands out page by page. A copy into NumPy's own memory, which
    comes in large pages, is a fraction of that, and nobody else having it, JAX may keep it.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.device import on_device
      >>> on_device(np.arange(3.0)).dtype.name
      'float32'
    """
    array = array if isinstance(array, jax.Array) else np.asarray(array)
    if isinstance(array, jax.Array) or array.nbytes < LARGE or jax.default_backend() != "cpu":
        return placed(array)
    copy = host_memory(array.shape, jax.dtypes.canonicalize_dtype(array.dtype))
    np.copyto(copy, array, casting="same_kind")
    return jax.device_put(copy)


def host_memory(shape: Sequence[int], dtype: Any, *, zeros: bool = False) -> np.ndarray:
    """A new array, empty or of zeros, that JAX takes on the CPU without a copy, unless a call gives it up.

    Whoever hands it to JAX must not write to it again.

    Example:
      >>> from jaxbm.core.device import ALIGNMENT, host_memory
      >>> host_memory((3, 5), "float32", zeros=True).ctypes.data % ALIGNMENT
      0
    """
    item, size = np.dtype(dtype).itemsize, math.prod(shape)
    memory = (np.zeros if zeros else np.empty)(size + ALIGNMENT // item, dtype)
    first = -memory.ctypes.data % ALIGNMENT // item
    return memory[first : first + size].reshape(shape)


def placed(array: Any, dtype: Any = None) -> Array:
    """`jnp.asarray` of an array; JAX would compile a program for every shape that comes from the host.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.device import placed
      >>> placed(np.arange(3), np.float32).dtype.name
      'float32'
    """
    if isinstance(array, jax.Array) or is_inside():
        return jnp.asarray(array, dtype)
    return jax.device_put(np.asarray(array, dtype))


def taken(tree: Any, index: Any) -> Any:
    """`leaf[index]` of every array; by the host where all of them are at hand, since JAX would compile a program for
    each index and shape.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.core.device import taken
      >>> taken((jnp.arange(3), jnp.ones((3, 2))), 1)[0]
      Array(1, dtype=int32)
    """
    leaves, form = jax.tree.flatten(tree)
    if not all(map(_is_at_hand, leaves)) or is_inside():
        return jax.tree.map(lambda leaf: leaf[index], tree)
    return jax.tree.unflatten(form, jax.device_put([copied(np.asarray(leaf)[index]) for leaf in leaves]))


def copied(array: Any) -> np.ndarray:
    """A copy in memory of its own, as `host_memory` has it; a view would keep all of its array alive."""
    host = np.asarray(array)
    copy = host_memory(host.shape, host.dtype)
    np.copyto(copy, host)
    return copy


def _is_at_hand(leaf: Any) -> bool:
    """Whether an array of JAX's is one that `jax.device_put` would make of its values."""
    if not isinstance(leaf, jax.Array) or isinstance(leaf, jax.core.Tracer) or not isinstance(leaf.dtype, np.dtype):
        return False
    settings: Any = jax.config
    is_here = type(leaf.sharding) is SingleDeviceSharding and leaf.devices() == {jax.devices()[0]}
    plain = not leaf.weak_type and not getattr(leaf, "committed", False) and settings.jax_default_device is None
    return is_here and plain and jax.default_backend() == "cpu"


def is_inside() -> bool:
    """Whether a transformation is going on, which may have to know of every array."""
    from jax.extend.core import take_current_trace  # not at the top: it takes 20 ms to import

    with take_current_trace() as trace:
        return type(trace).__name__ != "EvalTrace"
