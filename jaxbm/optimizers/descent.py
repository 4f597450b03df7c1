"""Gradient descent, with and without momentum."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxbm.optimizers.protocol import (
    Protocol,
    PyTree,
    Rate,
    as_pytree,
    cast,
    check_decay,
    check_nonnegative,
    next_count,
    rate_at,
    tree_map,
    zeros_like,
)


class SgdState(NamedTuple):
    """State of gradient descent: steps taken, and the momentum (None without)."""

    count: Array  # type: ignore[assignment]  # a field, not tuple.count
    trace: PyTree


@as_pytree("nesterov")
@dataclass(frozen=True)
class Sgd(Protocol):
    """Gradient descent; see `sgd`."""

    learning_rate: Rate
    momentum: ArrayLike | None = None
    nesterov: bool = False

    def init(self, params: PyTree) -> SgdState:
        """The state before the first step."""
        trace = None if self.momentum is None else zeros_like(params)
        return SgdState(jnp.zeros((), jnp.int32), trace)

    def update(
        self, updates: PyTree, state: SgdState, params: PyTree = None, **extra: Any
    ) -> tuple[PyTree, SgdState]:
        """Turn gradients into updates to add to the parameters."""
        del params, extra
        trace, momentum = state.trace, self.momentum
        if momentum is not None:
            trace = tree_map(lambda g, t: g + cast(momentum, t) * t, updates, trace)
            updates = tree_map(lambda g, t: g + cast(momentum, t) * t, updates, trace) if self.nesterov else trace
        rate = rate_at(self.learning_rate, state.count)
        return tree_map(lambda u: -cast(rate, u) * u, updates), SgdState(next_count(state.count), trace)


def sgd(learning_rate: Rate, momentum: ArrayLike | None = None, nesterov: bool = False) -> Sgd:
    """Gradient descent: `p -= learning_rate * g`; with momentum, `t = g + momentum * t; p -= learning_rate * t`.

    Args:
      learning_rate: number, array or schedule: a function of the step count, or a pytree that can be called with it.
      momentum: decay of the accumulated gradient, in `[0, 1)`; None keeps none.
      nesterov: step along `g + momentum * t` instead of `t`.

    Raises:
      ValueError: a number is out of range.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> optimizer = jaxbm.sgd(0.5)
      >>> updates, state = optimizer.update(jnp.ones(2), optimizer.init(jnp.zeros(2)))
      >>> updates.tolist()
      [-0.5, -0.5]

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
    """
    check_nonnegative(learning_rate=learning_rate)
    check_decay(momentum=momentum)
    return Sgd(learning_rate, momentum, nesterov)
