"""What is each member's own and what is shared: found by leading axes, and taken member by member."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import checks
from jaxbm.core.device import placed, taken
from jaxbm.core.halves import merged
from jaxbm.core.keys import member_keys
from jaxbm.models.protocol import Params
from jaxbm.run.contract import Data, Hyper


class Inputs(NamedTuple):
    """Everything a member's run reads, apart from its key."""

    data: Data
    hyper: Hyper
    params: Params | None = None
    opt_state: Any = None


def own_by_rank(name: str, tree: Any, reference: Any, members: int) -> Any:
    """`is_own` for a tree whose leaves have the shapes of `reference`, with or without a leading axis of members.

    Raises:
      ValueError: a leaf has some other shape.
    """

    def judge(leaf: Any, like: Any) -> bool:
        shape, plain = jnp.shape(leaf), tuple(like.shape)
        if shape == (members, *plain):
            return True
        if shape == plain:
            return False
        raise ValueError(f"{name}: expected shape {list(plain)} or [{members}, ...] like it, got {list(shape)}")

    got: Any = jax.tree.structure(tree)
    want: Any = jax.tree.structure(reference)
    if got != want:
        raise ValueError(f"{name}: expected a tree like {want}, got {got}")
    return jax.tree.map(judge, tree, reference)


def own_numbers(name: str, value: Any, members: int) -> Any:
    """`is_own` for numbers: a scalar is shared, `[members]` is each member's own.

    Raises:
      ValueError: a leaf has some other shape.
    """

    def judge(leaf: Any) -> bool:
        shape = jnp.shape(leaf)
        if shape in ((), (members,)):
            return bool(shape)
        raise ValueError(f"{name}: expected a number or shape [{members}], got {list(shape)}")

    return jax.tree.map(judge, value)


def own_optimizer(optimizer: Any, members: int) -> Any:
    """`is_own` for an optimizer that is data; a schedule's own tables of other lengths are shared."""
    rate = getattr(optimizer, "learning_rate", None)
    if callable(rate):
        return jax.tree.map(lambda leaf: jnp.shape(leaf)[:1] == (members,), optimizer)
    return own_numbers("optimizer", optimizer, members)


def first(own: Any, shared: Any) -> Any:
    """Shapes and dtypes of what one member's run reads."""
    return merged(jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), own), shared)


def member(tree: Any, k: int) -> Any:
    """Member `k` of a tree whose leaves all have a leading axis of members."""
    return taken(tree, k)


def key_array(keys: Any, members: int | None) -> Array:
    """Keys `[M]`, from keys or from one key and a number.

    Raises:
      TypeError: they are not JAX keys.
      ValueError: `members` contradicts them, or is missing.
    """
    members = None if members is None else checks.positive_int("members", members)
    if isinstance(keys, list | tuple) and keys:
        if others := {type(key).__name__ for key in keys if not hasattr(key, "dtype")} - {"list", "tuple"}:
            raise TypeError(f"keys: expected JAX random keys [M], got a list of {', '.join(sorted(others))}")
        keys = jnp.stack([jnp.asarray(key) for key in keys])
    if not hasattr(keys, "dtype"):
        raise TypeError(f"keys: expected JAX random keys [M], or one and members, got {type(keys).__name__}")
    is_typed = isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)
    if not is_typed:
        keys = keys if isinstance(keys, jax.Array) else np.asarray(keys)
        if keys.dtype != jnp.uint32 or keys.ndim not in (1, 2):
            raise TypeError(f"keys: expected JAX random keys [M], got {keys.dtype} of shape {list(keys.shape)}")
        keys = placed(keys)
    axes = keys.ndim if is_typed else keys.ndim - 1
    if axes == 0:
        if members is None:
            raise ValueError("members: expected how many, since one key came, not keys [M]; got None")
        return member_keys(keys, members)
    if axes != 1 or keys.shape[0] == 0:
        raise ValueError(f"keys: expected one key or keys [M], got shape {list(keys.shape)}")
    if members not in (None, keys.shape[0]):
        raise ValueError(f"members: expected {keys.shape[0]}, the number of keys, got {members}")
    return keys


def host(tree: Any) -> Any:
    """A tree of NumPy arrays."""
    return jax.tree.map(np.asarray, tree)
