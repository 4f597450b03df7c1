"""Gradient descent, with and without momentum."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxbm.core import checks
from jaxbm.core.arrays import joined
from jaxbm.core.calls import helpful
from jaxbm.optimizers.protocol import (
    Protocol,
    PyTree,
    Rate,
    as_pytree,
    cast,
    check_decay,
    check_rate,
    dtype_of,
    floats,
    narrowed,
    next_count,
    rate_at,
    tree_map,
    zeros_like,
)


class SgdState(NamedTuple):
    """State of gradient descent: steps taken, and the momentum (None without)."""

    count: Array  # type: ignore[assignment]  # a field, not tuple.count
    trace: PyTree


@as_pytree("nesterov", "accumulator_dtype")
@dataclass(frozen=True)
class Sgd(Protocol):
    """Gradient descent; see `sgd`."""

    learning_rate: Rate
    momentum: ArrayLike | None = None
    nesterov: bool = False
    accumulator_dtype: Any = None

    def init(self, params: PyTree) -> SgdState:
        """The state before the first step."""
        trace = None if self.momentum is None else zeros_like(params, self.accumulator_dtype)
        return SgdState(jnp.zeros((), jnp.int32), trace)

    def update(
        self, updates: PyTree, state: SgdState, params: PyTree = None, **extra: Any
    ) -> tuple[PyTree, SgdState]:
        """Turn gradients into updates to add to the parameters."""
        del params, extra
        updates = floats(updates)
        rate = rate_at(self.learning_rate, state.count)
        count, momentum = next_count(state.count), self.momentum
        if momentum is None:
            return tree_map(lambda u: -cast(rate, u) * u, updates), SgdState(count, state.trace)

        def gathered(g: Array, t: Array) -> Array:
            dtype = joined(g.dtype, t.dtype)
            return g.astype(dtype) + jnp.asarray(momentum).astype(dtype) * t.astype(dtype)

        trace = tree_map(gathered, updates, state.trace)
        ahead = tree_map(gathered, updates, trace) if self.nesterov else trace
        if self.accumulator_dtype is not None:
            trace = tree_map(lambda t: t.astype(self.accumulator_dtype), trace)
        # Of complex momentum in real parameters only the real part can be a step.
        steps = tree_map(lambda g, u: -cast(rate, g) * (u if g.dtype == u.dtype else narrowed(u, g)), updates, ahead)
        return steps, SgdState(count, trace)


@helpful
def sgd(
    learning_rate: Rate,
    momentum: ArrayLike | None = None,
    nesterov: bool = False,
    accumulator_dtype: DTypeLike | None = None,
) -> Sgd:
    """Gradient descent: `p -= learning_rate * g`; with momentum, `t = g + momentum * t; p -= learning_rate * t`.

    Args:
      learning_rate: number, array or schedule: a function of the step count, or a pytree that can be called with it.
      momentum: decay of the accumulated gradient, in `[0, 1)`; None keeps none.
      nesterov: step along `g + momentum * t` instead of `t`.
      accumulator_dtype: dtype of the accumulated gradient, None for the parameters'.

    Raises:
      TypeError: an argument is not a number (text, a list, None).
      ValueError: a number is out of range.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> optimizer = jaxbm.sgd(0.5)
      >>> updates, state = optimizer.update(jnp.ones(2), optimizer.init(jnp.zeros(2)))
      >>> updates.tolist()
      [-0.5, -0.5]

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
    """
    check_rate(learning_rate)
    if momentum is not None:
        check_decay(momentum=momentum)
    dtype = dtype_of("accumulator_dtype", accumulator_dtype)
    return Sgd(learning_rate, momentum, checks.flag("nesterov", nesterov), dtype)
