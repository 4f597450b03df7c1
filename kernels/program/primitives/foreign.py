"""Primitives that are written with others, JAX's or a library's: their definition becomes part of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.registry import Rule, foreign, rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, is_key, shape_of


def _is_foreign(function: Any) -> bool:
    """Whether it is a function of a library other than JAX, whose primitives are defined by XLA's operations."""
    function = getattr(function, "func", function)
    return str(getattr(function, "__module__", None) or "jax").split(".")[0] not in ("jax", "jaxlib", "functools")


def by_definition(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """`primitive.impl` traced: by JAX's contract it computes what the primitive's lowering does."""
    return _defined(tracer, eqn, inputs, eqn.primitive.impl)


@rule("call_hi_primitive", kind="call", params=("_prim",))
def call_hi_primitive(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """An operation that the newest JAX keeps whole until it is lowered, such as `jnp.searchsorted`."""
    expanded = getattr(eqn.primitive, "to_lojax", None)
    if expanded is None:
        raise NotNative("its definition has another name than in the versions of JAX that are known here")
    return _defined(tracer, eqn, inputs, expanded)


def _defined(tracer: Tracer, eqn: Any, inputs: list[Value], definition: Callable[..., Any]) -> list[Value]:
    if any(is_key(v.aval.dtype) for v in (*eqn.invars, *eqn.outvars)):
        raise NotNative("it works on keys")
    try:
        out = tracer.closed(_jaxpr(tracer, eqn, definition), inputs)
    except NotNative:
        raise
    except Exception:  # whatever that code raises at traced arrays
        raise NotNative("its definition can't be traced") from None
    wanted = [(shape_of(v.aval), dtype_of(v.aval)) for v in eqn.outvars]
    if [(v.shape, v.dtype) for v in out] != wanted:
        raise NotNative("its definition gives other types than it has")
    return out


def _jaxpr(tracer: Tracer, eqn: Any, definition: Callable[..., Any]) -> Any:
    """The definition as a jaxpr; a loop that is written out meets the same one again and again."""
    if id(eqn) not in tracer.definitions:
        specs = [
            jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype, weak_type=getattr(v.aval, "weak_type", False))
            for v in eqn.invars
        ]
        jaxpr = jax.make_jaxpr(lambda *arrays: definition(*arrays, **eqn.params))(*specs)
        tracer.definitions[id(eqn)] = eqn, jaxpr  # with the equation, so that its identity stays its own
    return tracer.definitions[id(eqn)][1]


@foreign
def rule_of_another_library(eqn: Any) -> Rule | None:
    """The rule for a primitive that the registry doesn't have."""
    if not _is_foreign(getattr(eqn.primitive, "impl", None)):
        return None
    return Rule(by_definition, "foreign", frozenset(eqn.params), "")
