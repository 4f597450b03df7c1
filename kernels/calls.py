"""Calls of compiled kernels that `vmap` batches without copying what members share.

A kernel's buffers have `lead` leading axes, one for each level of `vmap`. Along such an axis a buffer that every
member shares has length 1, and the kernel reads it in place. Buffers that go in and out are always full.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap

from jaxbm.core.settings import varying_as

Attributes = tuple[tuple[str, Any], ...]


@lru_cache(maxsize=4096)
def kernel_call(
    target: str, attributes: Attributes, state: tuple[int, ...], results: tuple[Any, ...] = (), lead: int = 0
) -> Callable[..., tuple[Array, ...]]:
    """A function of arrays: those at the places `state` come back changed in place, then `results`, new ones.

    Args:
      target: the registered name.
      attributes: static `(name, value)` pairs; integers are passed as int64.
      state: places of the arguments that go in and out.
      results: `(shape, dtype)` of further results, without leading axes.
      lead: how many leading axes every buffer has.
    """
    told = {k: as_int64(v) for k, v in (*attributes, ("lead", lead))}

    @custom_vmap
    def call(*arrays: Array) -> tuple[Array, ...]:
        members = jnp.broadcast_shapes(*(a.shape[:lead] for a in arrays))
        kept = [jax.ShapeDtypeStruct(arrays[i].shape, arrays[i].dtype) for i in state]
        new = [jax.ShapeDtypeStruct((*members, *shape), dtype) for shape, dtype in results]
        aliases = {i: out for out, i in enumerate(state)}
        alike = varying_as(arrays, arrays)
        out = jax.ffi.ffi_call(target, [*kept, *new], input_output_aliases=aliases)(*alike, **told)
        return varying_as(tuple(out), alike)

    @call.def_vmap
    def batched(size: int, mapped: list[bool], *arrays: Array) -> tuple[tuple[Array, ...], tuple[bool, ...]]:
        def lifted(i: int, array: Array) -> Array:
            if mapped[i]:
                return array
            return jnp.broadcast_to(array, (size, *array.shape)) if i in state else array[None]

        deeper = kernel_call(target, attributes, state, results, lead + 1)
        out = deeper(*(lifted(i, array) for i, array in enumerate(arrays)))
        return out, (True,) * len(out)

    return call


def as_int64(value: Any) -> Any:
    """An attribute of a call as the kernels read it."""
    return np.asarray(value, np.int64) if isinstance(value, tuple) else np.int64(value)
