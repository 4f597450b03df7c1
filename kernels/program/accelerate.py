"""`accelerate`: a function compiled as one native function instead of a sequence of XLA's kernels."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import jax

from jaxbm.kernels.program import machine
from jaxbm.kernels.program.jaxprs import jaxpr_as_fun

STATICS = "_jaxbm_statics"
"""Where an accelerated function keeps which arguments are static, for `explain`."""

KEPT = "_jaxbm_traced"
"""Where a function keeps what is traced in its place, with itself."""


def accelerate(
    f: Callable[..., Any] | None = None,
    *,
    require: bool = False,
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
) -> Callable[..., Any]:
    """`f` as one native function where that is possible and faster; elsewhere as `jax.jit(f)`, with the same results.

    XLA runs a program on a CPU as a sequence of kernels, and small programs (training steps of small networks,
    filters, simulators, samplers) spend their time between them. `accelerate` traces the function, compiles all of it
    to one function with LLVM and calls that. What has large arrays stays with XLA except for its loops over small
    ones; what has no native counterpart, too. `jaxbm.explain` tells what became of a function.

    The result works as a jitted function does: under `jax.jit`, `jax.vmap` (each member by the same instructions as
    alone, several on several threads, shared arrays not copied), inside `scan` and `cond`, in several threads, under
    `shard_map`. Its derivatives are native too; where a value is wanted with its gradient,
    `accelerate(jax.value_and_grad(f))` computes it once instead of twice. A branch that has no native counterpart (a
    callback, a check that raises) makes it give up when it would run: then XLA runs `f` from the same arguments. On
    other platforms than CPUs, and in a `jax.export`, it is `f`.

    Args:
      f: a pure function of pytrees of arrays; without it, a decorator comes back.
      require: raise instead of leaving anything to XLA.
      static_argnums: positions of arguments that are parts of the function, as `jax.jit` takes them.
      static_argnames: their names.

    Returns:
      A function with the arguments and results of `f`.

    Raises:
      TypeError: `f` is not callable, or not what `jax.jit` takes.
      NotImplementedError: when called with `require=True`, if not all of it is native; the message names the
        primitive and says why.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import jaxbm
      >>> @jaxbm.accelerate
      ... def simulate(x):
      ...     return jax.lax.fori_loop(0, 1000, lambda i, x: x + 0.01 * jnp.sin(x), x)
      >>> simulate(jnp.float32(1.0)).shape
      ()
    """
    if f is None:
        return functools.partial(
            accelerate, require=require, static_argnums=static_argnums, static_argnames=static_argnames
        )
    if not callable(f):
        raise TypeError(f"f: expected a function of arrays, got {type(f).__name__}")

    statics: dict[str, Any] = {"static_argnums": static_argnums, "static_argnames": static_argnames}
    return jax.jit(_kept(f, require, statics), **statics)


def _kept(f: Callable[..., Any], require: bool, statics: dict[str, Any]) -> Callable[..., Any]:
    """What JAX traces in place of `f`: of a plain function the same each time, by which JAX knows that it was
    compiled before."""
    if not isinstance(f, types.FunctionType):
        return _traced(f, require, statics)
    entry: Any = getattr(f, KEPT, (None, None))
    kept: dict[Any, Callable[..., Any]] = entry[1] if entry[0] is f else {}  # `functools.wraps` copies attributes
    if entry[0] is not f:
        setattr(f, KEPT, (f, kept))
    key = require, *map(repr, statics.values())
    if key not in kept:
        kept[key] = _traced(f, require, statics)
    return kept[key]


def _traced(f: Callable[..., Any], require: bool, statics: dict[str, Any]) -> Callable[..., Any]:
    jax.jit(f, **statics)  # what it refuses, such as generators, it refuses here

    @functools.wraps(f)
    def traced(*args: Any, **kwargs: Any) -> Any:
        from jaxbm.kernels.program.flatten import flatten

        if _is_called_itself(args, kwargs):
            return f(*args, **kwargs)
        flat = flatten(f, args, kwargs)
        return flat.restore(run(flat.closed, _name(f), require, flat.arrays))

    setattr(traced, STATICS, statics)
    return traced


def _is_called_itself(args: Any, kwargs: Any) -> bool:
    """Whether JAX runs the function uncompiled: under `jax.disable_jit`, or to find where a NaN came from."""
    config: Any = jax.config
    if config.jax_disable_jit:
        return True
    looks = config.jax_debug_nans or config.jax_debug_infs
    return looks and not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs)))


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def run(closed: Any, name: str, require: bool, arrays: list[Any]) -> list[Any]:
    """A closed jaxpr at these arrays: natively, or its loops natively, or by XLA."""
    from jaxbm.kernels.program import derivative, interpreters  # noqa: F401 - how programs are transformed
    from jaxbm.kernels.program.build import build
    from jaxbm.kernels.program.ir import NotNative
    from jaxbm.kernels.program.parts import evaluate
    from jaxbm.kernels.program.reports import separated

    if not closed.out_avals and not closed.effects:
        return []
    try:
        silent = separated(closed)
        return silent.report(arrays, build(silent.closed, name, judge=not require)(*arrays))
    except NotNative as reason:
        if require:
            raise NotImplementedError(f"accelerate({name}, require=True): it isn't native: {reason}") from None
        if machine.llvm() is None:
            _hint()
            return list(jaxpr_as_fun(closed)(*arrays))
        return evaluate(closed, arrays, lambda part, called: build(part, called))


@functools.cache
def _hint() -> None:
    warnings.warn(machine.HINT, stacklevel=8)
