"""One pytree split in two, what is each member's own and what is shared, and put together again."""

from typing import Any

import jax


def split(tree: Any, is_own: Any) -> tuple[Any, Any]:
    """`(own, shared)`: two trees like `tree`, each with None where the other holds the leaf.

    Args:
      tree: arrays.
      is_own: the same structure, True where a leaf has a leading axis of members.
    """
    own = jax.tree.map(lambda leaf, mine: leaf if mine else None, tree, is_own)
    shared = jax.tree.map(lambda leaf, mine: None if mine else leaf, tree, is_own)
    return own, shared


def merged(own: Any, shared: Any) -> Any:
    """The inverse of `split`."""
    return jax.tree.map(lambda a, b: b if a is None else a, own, shared, is_leaf=lambda leaf: leaf is None)
