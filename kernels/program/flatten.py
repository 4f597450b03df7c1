"""A function of pytrees as a closed jaxpr of arrays: static arguments are bound, typed keys become words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaxbm.kernels.program.trace import is_key


class Flat(NamedTuple):
    """The jaxpr, the arrays to call it with, and how its results become those of the function."""

    closed: ClosedJaxpr
    arrays: list[Any]
    restore: Callable[[list[Any]], Any]


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.core.Tracer | jax.Array | np.ndarray | np.generic)


def flatten(f: Callable[..., Any], args: Any, kwargs: Any) -> Flat:
    """Trace `f` at these arguments; what isn't an array is a part of the function."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    places = [k for k, leaf in enumerate(leaves) if _is_array(leaf)]
    keys = {k: leaves[k].dtype for k in places if is_key(leaves[k].dtype)}
    arrays = [jax.random.key_data(leaves[k]) if k in keys else leaves[k] for k in places]
    out_tree: Any = None
    out_keys: list[Any] = []

    def of_arrays(*values: Any) -> list[Any]:
        nonlocal out_tree
        given = list(leaves)
        for k, v in zip(places, values, strict=True):
            given[k] = jax.random.wrap_key_data(v, impl=keys[k]._impl) if k in keys else v
        its_args, its_kwargs = jax.tree.unflatten(tree, given)
        out, out_tree = jax.tree.flatten(f(*its_args, **its_kwargs))
        out_keys[:] = [x.dtype if is_key(getattr(x, "dtype", np.dtype(bool))) else None for x in out]
        return [x if key is None else jax.random.key_data(x) for x, key in zip(out, out_keys, strict=True)]

    closed = jax.make_jaxpr(of_arrays)(*arrays)

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
