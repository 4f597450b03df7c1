"""`vmap` over members, and rules of functions under it that only save work."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax

Rule = TypeVar("Rule", bound=Callable[..., Any])
_MARK = "only_saves_work"


def mapped(one: Callable[..., Any], *members: Any) -> Any:
    """`jax.vmap`; of one member without the axis, since XLA on CPU is slow at batches of one matrix product."""
    if jax.tree.leaves(members)[0].shape[0] > 1:
        return jax.vmap(one)(*members)
    return jax.tree.map(lambda leaf: leaf[None], one(*jax.tree.map(lambda leaf: leaf[0], members)))


def only_saves_work(rule: Rule) -> Rule:
    """Marks a rule of `jax.custom_batching.custom_vmap` that a native function of each member need not follow.

    What a program comes to in the end is the same for each member alone; the rule only has them do it together.

    Example:
      >>> import jax
      >>> from jaxbm.core.mapping import is_needed, only_saves_work
      >>> longest = jax.custom_batching.custom_vmap(lambda steps: steps)
      >>> @longest.def_vmap
      ... @only_saves_work
      ... def together(size, mapped, steps):
      ...     return longest(steps.max(axis=0)), False
      >>> is_needed(jax.make_jaxpr(longest)(3).eqns[0].params["rule"])
      False
    """
    setattr(rule, _MARK, True)
    return rule


def is_needed(rule: Any) -> bool:
    """Whether by a rule, as JAX keeps it in an equation, `vmap` may give other results than each member alone."""
    return not getattr(rule, _MARK, False)
