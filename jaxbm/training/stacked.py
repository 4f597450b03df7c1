"""Logits of many members in one compiled call."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core import checks
from jaxbm.core import rows as row_trees
from jaxbm.kernels.mlp import apply as apply_mlp
from jaxbm.kernels.mlp import from_host
from jaxbm.models.outputs import outputs_of
from jaxbm.models.protocol import Model, Params


def stacked_logits(
    model: Model,
    params: Params,
    x: Any,
    start: Array | None = None,
    count: Array | None = None,
    most: int | None = None,
    rows: Array | None = None,
) -> Array:
    """`[M, most, out]`: member `k` at rows `start[k]` to `start[k] + count[k]` of `x`; without a range, at all rows.

    Args:
      model: the architecture of `params`; padded members are exact, since padding has no weights going out.
      params: with a leading axis of members.
      x: float `[n, in]` or a pytree of features, shared and not copied.
      start, count: int32 `[M]`; beyond `count` the result has no meaning.
      most: bound on `count`.
      rows: int32 `[k]`, a list of rows of `x` of which the ranges are; None for `x` itself.
    """
    by_kernel = apply_mlp.slower(model, params, x) is None
    if by_kernel and not checks.is_traced(params, x, start, count, rows):
        return from_host.logits(model, params, x, start, count, most, rows)
    many = most or row_trees.count(x)
    return outputs_of(model, _logits(model, by_kernel, many, params, x, start, count, rows), many, members=True)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _logits(
    model: Model,
    by_kernel: bool,
    most: int,
    params: Params,
    x: Any,
    start: Array | None,
    count: Array | None,
    rows: Array | None,
) -> Array:
    def one(params: Params, start: Array | None, count: Array | None) -> Array:
        if by_kernel:
            return apply_mlp.call(model, params, x, rows, None if start is None else (start, count), most)
        if start is None:
            return model.apply(params, x)
        places = start + lax.iota(jnp.int32, most)
        if rows is not None:
            places = rows[jnp.clip(places, 0, rows.shape[0] - 1)]
        return model.apply(params, row_trees.take(x, jnp.clip(places, 0, row_trees.count(x) - 1)))

    return jax.vmap(one)(params, start, count)
