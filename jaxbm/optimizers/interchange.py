"""Adam's state as Optax keeps it, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax

from jaxbm.optimizers.moments import AdamState

if TYPE_CHECKING:
    import optax


def to_optax(state: AdamState) -> optax.ScaleByAdamState:
    """Our Adam state as Optax's `ScaleByAdamState`, the first part of the state of `optax.adam`.

    Example:
      >>> import jax.numpy as jnp, jaxbm, optax
      >>> from jaxbm.optimizers import to_optax
      >>> type(to_optax(jaxbm.adam().init(jnp.ones(2)))).__name__
      'ScaleByAdamState'
    """
    import optax

    return optax.ScaleByAdamState(state.count, state.mu, state.nu)


def from_optax(state: Any) -> AdamState:
    """The Adam state inside an Optax state (of `optax.adam`, `optax.adamw` or a chain with one of them).

    Raises:
      ValueError: there is not exactly one `ScaleByAdamState` in it.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxbm.optimizers import from_optax
      >>> type(from_optax(optax.adam(1e-3).init(jnp.ones(2)))).__name__
      'AdamState'
    """

    import optax

    def is_adam(node: Any) -> bool:
        return isinstance(node, optax.ScaleByAdamState)

    found = [node for node in jax.tree.leaves(state, is_leaf=is_adam) if is_adam(node)]
    if len(found) != 1:
        raise ValueError(f"state: expected one optax.ScaleByAdamState inside, got {len(found)}")
    return AdamState(found[0].count, found[0].mu, found[0].nu)
