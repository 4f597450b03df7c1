"""A function of pytrees as a closed jaxpr of arrays: static arguments are bound, typed keys become words."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxbm.kernels.program.jaxprs import ClosedJaxpr
from jaxbm.kernels.program.trace import is_key


class Flat(NamedTuple):
    """The jaxpr, the arrays to call it with, and how its results become those of the function."""

    closed: Any
    arrays: list[Any]
    restore: Callable[[list[Any]], Any]


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.core.Tracer | jax.Array | np.ndarray | np.generic)


def _is_static(argument: Any) -> bool:
    return not any(_is_array(leaf) for leaf in jax.tree.leaves(argument))


def _words(leaf: Any) -> Any:
    """A typed key's words; anything else as it is."""
    return jax.random.key_data(leaf) if is_key(getattr(leaf, "dtype", np.dtype(bool))) else leaf


def flatten(f: Callable[..., Any], args: Any, kwargs: Any) -> Flat:
    """Trace `f` at these arguments; an argument without arrays is a part of the function.

    What is traced has the name, the place and the arguments of `f`, so that JAX's errors tell of those.
    """
    fixed = {k: a for k, a in [*enumerate(args), *kwargs.items()] if _is_static(a)}
    dynamic = [None if k in fixed else a for k, a in enumerate(args)]
    dynamic_kwargs = {k: None if k in fixed else a for k, a in kwargs.items()}
    leaves, tree = jax.tree.flatten((dynamic, dynamic_kwargs))
    keys = {k: leaf.dtype for k, leaf in enumerate(leaves) if is_key(getattr(leaf, "dtype", np.dtype(bool)))}
    words, words_kwargs = jax.tree.unflatten(tree, map(_words, leaves)) if keys else (dynamic, dynamic_kwargs)
    out_tree: Any = None
    out_keys: list[Any] = []

    @functools.wraps(f)
    def of_words(*args: Any, **kwargs: Any) -> Any:
        nonlocal out_tree
        if keys:
            given = jax.tree.leaves((args, kwargs))
            wrapped = [
                jax.random.wrap_key_data(v, impl=keys[k]._impl) if k in keys else v for k, v in enumerate(given)
            ]
            args, kwargs = jax.tree.unflatten(tree, wrapped)
        its_args = [fixed.get(k, a) for k, a in enumerate(args)]
        result = f(*its_args, **{k: fixed.get(k, a) for k, a in kwargs.items()})
        out, out_tree = jax.tree.flatten(result)
        out_keys[:] = [x.dtype if is_key(getattr(x, "dtype", np.dtype(bool))) else None for x in out]
        return result if not any(out_keys) else jax.tree.unflatten(out_tree, map(_words, out))

    closed = jax.make_jaxpr(of_words)(*words, **words_kwargs)
    arrays = jax.tree.leaves((words, words_kwargs))

    def restore(out: list[Any]) -> Any:
        pairs = zip(out, out_keys, strict=True)
        wrapped = [x if key is None else jax.random.wrap_key_data(x, impl=key._impl) for x, key in pairs]
        return jax.tree.unflatten(out_tree, wrapped)

    closed, outside = _with_traced_constants_as_arguments(closed)
    return Flat(closed, [*outside, *arrays], restore)


def _with_traced_constants_as_arguments(closed: Any) -> tuple[Any, list[Any]]:
    """Values of a function around this one that it reads go in as arguments."""
    outside = [k for k, c in enumerate(closed.consts) if isinstance(c, jax.core.Tracer)]
    if not outside:
        return closed, []
    jaxpr = closed.jaxpr
    moved = [jaxpr.constvars[k] for k in outside]
    kept = [v for k, v in enumerate(jaxpr.constvars) if k not in outside]
    consts = [c for k, c in enumerate(closed.consts) if k not in outside]
    info = jaxpr.debug_info._replace(arg_names=None, result_paths=None)
    new = jaxpr.replace(constvars=kept, invars=[*moved, *jaxpr.invars], debug_info=info)
    return ClosedJaxpr(new, consts), [closed.consts[k] for k in outside]
