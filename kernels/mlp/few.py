"""Logits of a few rows by the compiled kernel without JAX, whose dispatch would take longer."""

from functools import lru_cache
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from jaxbm.core import forks
from jaxbm.kernels import direct
from jaxbm.kernels.mlp import apply

FLOAT, COUNT = np.dtype("float32"), np.dtype("int32")


def logits(model: Any, params: Any, x: np.ndarray) -> np.ndarray | None:
    """float32 `[n, out]` of float32 `[n, in]`; None where it takes more than a short call on the host: in a
    process that was forked, for which there is no other way, than a call.

    Args:
      model: an MLP that the kernel computes, see `apply.slower`.
      params: its own, of any kind: what doesn't fit is for somebody else to tell.
      x: contiguous.
    """
    settings: Any = jax.config
    is_short = 2.0 * model.n_params * len(x) <= direct.MOST_FLOPS
    if settings.jax_debug_nans or settings.jax_debug_infs or not (is_short or forks.is_forked()):
        return None
    call, shapes = _call(model, len(x))
    if call is None or not isinstance(params, tuple):
        return None
    try:
        leaves = [part for layer in params for part in (layer.weight, layer.bias) if part is not None]
    except AttributeError:
        return None
    if [getattr(leaf, "shape", None) for leaf in leaves] != shapes or any(leaf.dtype != FLOAT for leaf in leaves):
        return None
    arrays = [np.ascontiguousarray(leaf) for leaf in leaves]
    limits, found = np.asarray([0, len(x)], COUNT), np.empty((len(x), model.sizes[-1]), FLOAT)
    call(*direct.addresses([limits, x, *arrays, found]))
    return found


@lru_cache(maxsize=1024)
def _call(model: Any, n: int) -> tuple[direct.Call | None, list[tuple[int, ...]]]:
    """The call for so many rows, and the shapes of parameters."""
    shapes: list[tuple[int, ...]] = []
    for a, b in pairwise(model.sizes):
        shapes += [(a, b), (b,)] if model.use_bias else [(a, b)]
    buffers = ((COUNT, (2,)), (FLOAT, (n, model.sizes[0])), *((FLOAT, shape) for shape in shapes))
    attributes = (*apply.attributes_of(model, is_indexed=False), ("lead", 0))
    return direct.call("jaxbm_apply", attributes, buffers, ((FLOAT, (n, model.sizes[-1])),)), shapes
