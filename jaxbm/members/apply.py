"""Logits of many members in one compiled call."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.kernels import apply_mlp
from jaxbm.kernels.native import native
from jaxbm.mlp import MLP, Params


def stacked_logits(
    model: MLP,
    params: Params,
    x: Array,
    start: Array | None = None,
    count: Array | None = None,
    most: int | None = None,
) -> Array:
    """`[M, most, out]`: member `k` at rows `start[k]` to `start[k] + count[k]` of `x`; without a range, at all rows.

    Args:
      model: the architecture of `params`; padded members are exact, since padding has no weights going out.
      params: with a leading axis of members.
      x: float `[n, in]`, shared and not copied.
      start, count: int32 `[M]`; beyond `count` the result has no meaning.
      most: bound on `count`.
    """
    return _logits(model, _by_kernel(model, params, x), most or x.shape[0], params, x, start, count)


def _by_kernel(model: MLP, params: Params, x: Array) -> bool:
    leaves = [x, *jax.tree.leaves(params)]
    return (
        jax.default_backend() == "cpu"
        and native().reason is None
        and native().isa != "v2"
        and apply_mlp.unsupported(model) is None
        and all(leaf.dtype == np.float32 for leaf in leaves)
    )


@partial(jax.jit, static_argnums=(0, 1, 2))
def _logits(
    model: MLP, by_kernel: bool, most: int, params: Params, x: Array, start: Array | None, count: Array | None
) -> Array:
    def one(params: Params, start: Array | None, count: Array | None) -> Array:
        if by_kernel:
            return apply_mlp.call(model, params, x, None, None if start is None else (start, count), most)
        if start is None:
            return model.apply(params, x)
        return model.apply(params, x[jnp.clip(start + lax.iota(jnp.int32, most), 0, x.shape[0] - 1)])

    return jax.vmap(one)(params, start, count)
