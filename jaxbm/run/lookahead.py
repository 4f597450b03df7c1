"""Optimizers of Optax that step two parameters at once: fast ones, of which gradients are taken, and slow ones."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax

from jaxbm.models.protocol import Params, shapes_of
from jaxbm.optimizers import apply_updates


class LookaheadState(NamedTuple):
    """The state of an optimizer that contains `optax.lookahead`."""

    fast: Params
    """what gradients are taken of"""
    state: Any
    """the optimizer's own"""


@dataclass(frozen=True)
class Lookahead:
    """An optimizer that contains `optax.lookahead`, as a run sees it: the parameters are the slow ones.

    They are what is validated and returned; the fast ones are part of the state.

    Source: Zhang, Lucas, Hinton and Ba, "Lookahead Optimizer: k steps forward, 1 step back" (2019).
    """

    optimizer: Any

    def init(self, params: Params) -> LookaheadState:
        import optax

        return LookaheadState(params, self.optimizer.init(optax.LookaheadParams.init_synced(params)))

    def update(
        self, updates: Params, state: LookaheadState, params: Params, **extra: Any
    ) -> tuple[Params, LookaheadState]:
        import optax

        both = optax.LookaheadParams(fast=state.fast, slow=params)
        moved, inner = optax.with_extra_args_support(self.optimizer).update(updates, state.state, both, **extra)
        return moved.slow, LookaheadState(apply_updates(state.fast, moved.fast), inner)


def trained(optimizer: Any, model: Any) -> Any:
    """`optimizer`, or a `Lookahead` of one that steps two parameters."""
    return Lookahead(optimizer) if _looks_ahead(optimizer.init, model) else optimizer


def learning(params: Params, opt_state: Any) -> Params:
    """The parameters that gradients are taken of."""
    return opt_state.fast if isinstance(opt_state, LookaheadState) else params


@lru_cache(maxsize=256)  # by every call of `fit` asked, which would take longer than a short run
def _looks_ahead(init: Callable[[Any], Any], model: Any) -> bool:
    import optax

    shapes = shapes_of(model)
    try:
        state = jax.eval_shape(init, optax.LookaheadParams.init_synced(shapes))
    except Exception:  # anything: an optimizer made for the model's own tree may not know what to do with two
        return False
    leaves = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, optax.LookaheadState))
    return any(isinstance(leaf, optax.LookaheadState) for leaf in leaves)
