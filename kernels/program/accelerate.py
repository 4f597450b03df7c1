"""`accelerate`: a function compiled as one native function instead of a sequence of XLA's kernels."""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxbm.kernels.program import machine, table
from jaxbm.kernels.program.call import Native
from jaxbm.kernels.program.compile import compile_text
from jaxbm.kernels.program.emit import ENTRY, emit
from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.trace import Program, is_key, trace_jaxpr

class Built(NamedTuple):
    """A compiled program with what is to be told about it."""

    native: Native
    program: Program
    text: str
    arena_bytes: int
    seconds: dict[str, float]


_built: dict[int, dict[str, float]] = {}


def checked() -> bool:
    """Whether every access of a compiled program is checked against the bounds of its array."""
    return os.environ.get("JAXBM_CHECK", "") not in ("", "0")


def build(closed: Any, name: str) -> Built:
    """Compile a closed jaxpr of arrays; what was compiled before is taken again.

    Raises:
      NotNative: something in it has no native counterpart.
    """
    clock = time.perf_counter
    start = clock()
    program = trace_jaxpr(closed)
    traced = clock()
    compiled = emit(program.block, vector_bytes=machine.vector_bytes(), checked=checked())
    emitted = clock()
    key = table.hash_of(compiled.text + compiled.products)
    block = program.block
    signature = table.Signature(
        tuple((v.shape, v.dtype) for v in block.inputs), tuple((v.shape, v.dtype) for v in block.outputs)
    )
    if key not in _built:
        code = compile_text(compiled.text, (ENTRY,), compiled.products)
        table.register(key, code, signature, arena_bytes=compiled.arena_bytes)
        _built[key] = {
            "parse": code.parse_seconds, "optimise": code.optimise_seconds, "generate": code.generate_seconds,
        }  # fmt: skip
    seconds = {"trace": traced - start, "emit": emitted - traced, **_built[key]}
    weak = [getattr(a, "weak_type", False) for a in closed.out_avals]
    return Built(Native(key, signature, weak, closed, name), program, compiled.text, compiled.arena_bytes, seconds)


def accelerate(
    f: Callable[..., Any] | None = None,
    *,
    require: bool = False,
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
) -> Callable[..., Any]:
    """`f` compiled as one native function where that is possible and faster, else by XLA: the same results."""
    if f is None:
        return functools.partial(
            accelerate, require=require, static_argnums=static_argnums, static_argnames=static_argnames
        )
    if not callable(f):
        raise TypeError(f"f: expected a function, got {type(f).__name__}")
    name = getattr(f, "__name__", type(f).__name__)

    @functools.wraps(f)
    def traced(*args: Any, **kwargs: Any) -> Any:
        return run(f, name, require, args, kwargs)

    return jax.jit(traced, static_argnums=static_argnums, static_argnames=static_argnames)


def run(f: Callable[..., Any], name: str, require: bool, args: Any, kwargs: Any) -> Any:
    """`f` at traced arguments."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, jax.core.Tracer)]
    keys = {k: leaves[k].dtype for k in places if is_key(leaves[k].dtype)}
    arrays = [jax.random.key_data(leaves[k]) if k in keys else leaves[k] for k in places]
    out_tree: Any = None
    out_keys: list[Any] = []

    def flat(*values: Any) -> list[Any]:
        nonlocal out_tree
        given = list(leaves)
        for k, v in zip(places, values, strict=True):
            given[k] = jax.random.wrap_key_data(v, impl=keys[k]._impl.name) if k in keys else v
        its_args, its_kwargs = jax.tree.unflatten(tree, given)
        out, out_tree = jax.tree.flatten(f(*its_args, **its_kwargs))
        out_keys[:] = [getattr(x, "dtype", None) if is_key(getattr(x, "dtype", np.dtype(bool))) else None for x in out]
        return [jax.random.key_data(x) if key is not None else x for x, key in zip(out, out_keys, strict=True)]

    closed = jax.make_jaxpr(flat)(*arrays)
    out = call(closed, name, require, arrays)
    restored = [
        x if key is None else jax.random.wrap_key_data(x, impl=key._impl.name)
        for x, key in zip(out, out_keys, strict=True)
    ]
    return jax.tree.unflatten(out_tree, restored)


def call(closed: Any, name: str, require: bool, arrays: list[Any]) -> list[Any]:
    """A closed jaxpr at these arrays, natively if it can be."""
    from jax.extend.core import jaxpr_as_fun

    if machine.llvm() is None:
        if require:
            raise NotImplementedError(f"accelerate({name}, require=True): {machine.HINT}")
        _hint()
        return jaxpr_as_fun(closed)(*arrays)
    try:
        built = build(closed, name)
    except NotNative as reason:
        if require:
            raise NotImplementedError(f"accelerate({name}, require=True): not native: {reason}") from None
        return jaxpr_as_fun(closed)(*arrays)
    return built.native(*arrays, *built.program.captured)


@functools.cache
def _hint() -> None:
    warnings.warn(machine.HINT, stacklevel=5)
