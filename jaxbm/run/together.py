"""What members of one `vmap` do together, so that none has a copy of what they share."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxbm.core.mapping import only_saves_work


def _over_members(reduced: Callable[[Array], Array], alone: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of a number; under `vmap` it is `reduced` over the members' numbers, and then no member's own."""
    function = jax.custom_batching.custom_vmap(alone)

    @function.def_vmap
    @only_saves_work
    def _(size: int, mapped: list[bool], numbers: Array) -> tuple[Array, bool]:
        del size, mapped
        return function(reduced(numbers)), False

    return function


any_member = _over_members(lambda going: going.any(axis=0), lambda going: going)
least_member = _over_members(lambda epoch: epoch.min(axis=0), lambda epoch: epoch)


@jax.custom_batching.custom_vmap
def skipped_by_member(going: Array) -> Array:
    """False: who trains alone gets here only while going. Under `vmap` each member's own."""
    return jnp.zeros_like(going)


@skipped_by_member.def_vmap
@only_saves_work
def _(size: int, mapped: list[bool], going: Array) -> tuple[Array, bool]:
    del size, mapped
    return ~going, True
