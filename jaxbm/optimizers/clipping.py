"""Gradient clipping."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxbm.core.arrays import joined
from jaxbm.optimizers.protocol import (
    Protocol,
    PyTree,
    abs_square,
    as_pytree,
    cast,
    check_nonnegative,
    floats,
    tree_map,
    wide,
)

if TYPE_CHECKING:
    import optax


@as_pytree()
@dataclass(frozen=True)
class ClipByGlobalNorm(Protocol):
    """Gradient clipping; see `clip_by_global_norm`."""

    max_norm: ArrayLike

    def init(self, params: PyTree) -> optax.EmptyState:
        """Clipping has no state."""
        import optax  # here, since it takes as long to import as a tenth of all the rest

        del params
        return optax.EmptyState()

    def update(
        self, updates: PyTree, state: optax.EmptyState, params: PyTree = None, **extra: Any
    ) -> tuple[PyTree, optax.EmptyState]:
        """Scale the gradients down to the largest norm where they exceed it."""
        del params, extra
        updates = floats(updates)
        squares = [abs_square(u.astype(wide(u))).sum() for u in jax.tree.leaves(updates)]
        dtype = functools.reduce(joined, (square.dtype for square in squares), jnp.dtype("float32"))
        norm = jnp.sqrt(jnp.stack([s.astype(dtype) for s in squares]).sum()) if squares else jnp.zeros((), dtype)
        most = cast(self.max_norm, norm)
        scale = jnp.where(norm > most, most / jnp.where(norm > 0, norm, 1), 1)
        return tree_map(lambda u: u * cast(scale, u), updates), state


def clip_by_global_norm(max_norm: ArrayLike) -> ClipByGlobalNorm:
    """Scale gradients so that the norm of all of them together is at most `max_norm`.

    Raises:
      ValueError: `max_norm` is negative.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> clip = jaxbm.clip_by_global_norm(1.0)
      >>> updates, _ = clip.update(jnp.asarray([3.0, 4.0]), clip.init(None))
      >>> [round(u, 4) for u in updates.tolist()]
      [0.6, 0.8]

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """
    check_nonnegative(max_norm=max_norm)
    return ClipByGlobalNorm(max_norm)
