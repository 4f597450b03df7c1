"""What becomes of many networks' states between epochs, in compiled code."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxbm.run.contract import RunState


@jax.jit
def with_rates(state: RunState, before: Array, now: Array) -> RunState:
    """The state for other learning rates `[M]`; momentum keeps the velocity, in units of weights."""
    factor = jnp.where(now != before, before / now, 1)
    trace = jax.tree.map(lambda leaf: leaf * factor.reshape(-1, *[1] * (leaf.ndim - 1)), state.opt_state.trace)
    return state._replace(opt_state=state.opt_state._replace(trace=trace))


@jax.jit
def squares(params: Any) -> Array:
    """`[M]`: the sum of squared weights."""
    return jnp.stack([jnp.square(layer.weight).sum(axis=(1, 2)) for layer in params]).sum(axis=0)


@jax.jit
def keep_better(params: Any, best: Any, better: Array) -> Any:
    """`params` of the networks where `better` `[M]` is True, `best` of the others; a copy of neither is shared."""
    return jax.tree.map(lambda new, old: jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old), params, best)
