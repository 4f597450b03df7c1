"""Logits of a few rows by the compiled kernel without JAX, whose dispatch would take longer."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import prod
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
      x: of any layout.
    """
    if (rows := of_rows(model, len(x))) is None or not isinstance(params, tuple):
        return None
    try:
        leaves = [part for layer in params for part in (layer.weight, layer.bias) if part is not None]
    except AttributeError:
        return None
    if not rows.fits(leaves) or any(leaf.dtype != FLOAT for leaf in leaves):
        return None
    return rows(leaves, x)


def of_rows(model: Any, n: int) -> "Rows | None":
    """The call for `n` rows, see `logits`; None where it is too long, or must not be made now."""
    settings: Any = jax.config
    if settings.jax_debug_nans or settings.jax_debug_infs:
        return None
    rows = _rows(model, n)
    return rows if rows is not None and (rows.is_short or forks.is_forked()) else None


class Rows:
    """A call of the kernel for so many rows.

    Args:
      model, n: of `logits`.
      call: with the buffers of `_rows`.
      shapes: of the parameters.
    """

    def __init__(self, model: Any, n: int, call: direct.Call, shapes: list[tuple[int, ...]]):
        self.is_short = 2.0 * model.n_params * n <= direct.MOST_FLOPS
        self._call, self._shapes, self._out = call, shapes, (n, model.sizes[-1])
        self._limits = np.asarray([0, n], COUNT)
        lengths = [n * model.sizes[0], *map(prod, shapes), prod(self._out)]
        self._places = [slice(*pair) for pair in pairwise(accumulate(lengths, initial=0))]
        self._kept = direct.address(self._limits)

    def fits(self, leaves: Sequence[Any]) -> bool:
        """Whether arrays have the parameters' shapes."""
        return [getattr(leaf, "shape", None) for leaf in leaves] == self._shapes

    def __call__(self, leaves: Sequence[Any], x: np.ndarray) -> np.ndarray:
        """float32 `[n, out]`.

        Args:
          leaves: weights and biases that fit, of any float dtype.
          x: float `[n, in]`.
        """
        # One array for all that the call reads and writes: where one lies takes as long to find as a layer to copy.
        flat = np.empty(self._places[-1].stop, FLOAT)
        for place, array in zip(self._places, (x, *leaves), strict=False):
            flat[place].reshape(array.shape)[...] = array
        at = direct.address(flat)
        self._call(self._kept, *[at + 4 * place.start for place in self._places])
        return flat[self._places[-1]].reshape(self._out)


@lru_cache(maxsize=1024)
def _rows(model: Any, n: int) -> Rows | None:
    """None where the library has no such calls."""
    shapes: list[tuple[int, ...]] = []
    for a, b in pairwise(model.sizes):
        shapes += [(a, b), (b,)] if model.use_bias else [(a, b)]
    buffers = ((COUNT, (2,)), (FLOAT, (n, model.sizes[0])), *((FLOAT, shape) for shape in shapes))
    attributes = (*apply.attributes_of(model, is_indexed=False), ("lead", 0))
    call = direct.call("jaxbm_apply", attributes, buffers, ((FLOAT, (n, model.sizes[-1])),))
    return None if call is None else Rows(model, n, call, shapes)
