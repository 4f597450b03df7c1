"""Rows of any form: one array `[n, ...]`, or a pytree of such arrays that are shuffled, cut and gathered together.

A list is an array, as NumPy reads it, and so is a tuple of numbers; dictionaries, tuples of arrays, named tuples and
whatever else JAX knows as a pytree are trees.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxbm.core import arrays
from jaxbm.core.device import taken


def is_tree(value: Any) -> bool:
    """Whether `value` is a pytree of arrays, not one array.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.rows import is_tree
      >>> is_tree({"time": np.ones(3)}), is_tree((np.ones(3), np.ones(3))), is_tree([1, 2]), is_tree((1, 2))
      (True, True, False, False)
    """
    if value is None or isinstance(value, list) or hasattr(value, "shape") or hasattr(value, "__array__"):
        return False
    if jax.tree_util.all_leaves([value]):
        return False
    if type(value) is tuple:
        return any(np.ndim(part) > 0 for part in jax.tree.leaves(value))
    return True


def each(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`function` of every array of one or several trees of the same form; a single array is a tree, too."""
    if not is_tree(tree):
        return function(tree, *others)
    return jax.tree.map(function, tree, *others, is_leaf=_is_list)


def named(name: str, tree: Any) -> list[tuple[str, Any]]:
    """Each array and what messages call it: `x`, or `x.tokens` of a tree."""
    if not is_tree(tree):
        return [(name, tree)]
    found = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_list)
    return [(f"{name}.{jax.tree_util.keystr(path, simple=True, separator='.')}", leaf) for path, leaf in found]


def count(tree: Any) -> int:
    """How many rows there are: the length of the first array's first axis; 0 where there is none."""
    leaves = [leaf for _, leaf in named("", tree)]
    shape = np.shape(leaves[0]) if leaves else ()
    return int(shape[0]) if shape else 0


def take(tree: Any, index: Any) -> Any:
    """The rows `index` of every array; NumPy's arrays stay on the host."""
    if isinstance(index, slice):
        return taken(tree, index)
    return jax.tree.map(lambda leaf: leaf[index], tree)


def mapped(function: Callable[[str, Any], Any], name: str, tree: Any) -> Any:
    """The tree with `function(what messages call it, array)` in the place of each array."""
    found = [function(path, leaf) for path, leaf in named(name, tree)]
    if not is_tree(tree):
        return found[0]
    return jax.tree.unflatten(jax.tree.structure(tree, is_leaf=_is_list), found)


def on_host(name: str, tree: Any) -> Any:
    """Every array as NumPy's; TypeError or ValueError where one holds no real numbers."""
    return mapped(arrays.host_real, name, tree)


def check_integers(name: str, tree: Any) -> None:
    """ValueError where integers don't fit those that JAX keeps, and would wrap round."""
    for path, leaf in named(name, tree):
        if not isinstance(leaf, jax.Array) and leaf.dtype.kind in "iu":
            arrays.check_width(path, leaf)


def filled(tree: Any, rows: int) -> Any:
    """Arrays on the host, filled up to so many rows with the last one; with zeros where there is none."""

    def more(leaf: Any) -> Any:
        missing = rows - leaf.shape[0]
        last = leaf[-1:] if leaf.shape[0] else np.zeros((1, *leaf.shape[1:]), leaf.dtype)
        return np.concatenate([leaf, np.repeat(last, missing, axis=0)]) if missing else leaf

    return each(more, tree)


def same_count(first: tuple[str, Any], *others: tuple[str, Any]) -> None:
    """ValueError naming the first array that hasn't as many rows as the first array of all.

    Args:
      first, others: what messages call a tree, and the tree.
    """
    n = count(first[1])
    for name, tree in (first, *others):
        for path, leaf in named(name, tree):
            shape = np.shape(leaf)
            if shape[:1] != (n,):
                like = named(*first)[0][0]
                raise ValueError(f"{path}: expected shape [{n}, ...] like {like}, got {list(shape)}")


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
