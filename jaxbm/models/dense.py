"""The parameters of fully connected layers, and what a layer computes."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import checks, counter
from jaxbm.core.arrays import joined
from jaxbm.core.calls import helpful


@helpful
class Dense(NamedTuple):
    """The parameters of one fully connected layer."""

    weight: Array
    """`[in, out]`"""
    bias: Array | None
    """`[out]`, or None in a model without biases"""


Params = tuple[Dense, ...]


def affine(layer: Dense, h: Array) -> Array:
    """`h @ weight + bias`, in the dtype of `h`."""
    out = h @ layer.weight.astype(h.dtype)
    if layer.bias is None:
        return out
    return out + jnp.expand_dims(layer.bias.astype(h.dtype), tuple(range(out.ndim - 1)))


def drop(h: Array, rate: ArrayLike, stream: counter.Words) -> Array:
    """Inverted dropout (Srivastava et al., 2014) with counter-based bits.

    Whether unit `u` of row `r` stays depends on the stream, `r` and `u` alone, neither on the batch's size nor on
    the layer's width, so a kernel that skips padding draws the same mask.
    """
    rate = jnp.asarray(rate, jnp.float32)
    rows, units = h.size // h.shape[-1], h.shape[-1]
    bits = counter.bits_2d(stream, jnp.arange(rows), jnp.arange(units)).reshape(h.shape)
    keep = bits >= (rate * jnp.float32(2**32)).astype(jnp.uint32)
    return jnp.where(keep, h * (1 / (1 - rate)).astype(h.dtype), jnp.zeros((), h.dtype))


def check_dropout(rate: Any, key: Any) -> None:
    """TypeError or ValueError where dropout is no probability below 1, or came without a key; None is no dropout."""
    if rate is None:
        return
    checks.one_number("dropout", rate)
    checks.in_range("dropout", rate, 0.0, 1.0, open_high=True)
    if key is None:
        raise ValueError("key: expected a JAX random key, since dropout is not None; got None")


def stream_of(key: Any) -> counter.Words:
    """The words of a JAX key, or they themselves."""
    return key if isinstance(key, tuple) else counter.words(key)


def compute_dtype(dtype: Any, x: Array, weight: Array) -> Any:
    """The model's own dtype to compute in; without one, as JAX promotes: the wider of features and weights."""
    return joined(x.dtype, weight.dtype) if dtype is None else jnp.dtype(dtype)
