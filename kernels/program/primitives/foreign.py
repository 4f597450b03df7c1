"""Primitives that aren't JAX's: what defines them when they run one by one becomes a part of the program."""

from __future__ import annotations

from typing import Any

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.registry import Rule, foreign
from jaxbm.kernels.program.trace import Tracer, dtype_of, is_key, shape_of


def _is_foreign(function: Any) -> bool:
    """Whether it is a function of a library other than JAX, whose primitives are defined by XLA's operations."""
    function = getattr(function, "func", function)
    return str(getattr(function, "__module__", None) or "jax").split(".")[0] not in ("jax", "jaxlib", "functools")


def by_definition(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """`primitive.impl` traced: by JAX's contract it computes what the primitive's lowering does."""
    primitive = eqn.primitive
    if any(is_key(v.aval.dtype) for v in (*eqn.invars, *eqn.outvars)):
        raise NotNative("it works on keys")
    try:
        out = tracer.call(lambda *arrays: primitive.impl(*arrays, **eqn.params), *inputs)
    except NotNative:
        raise
    except Exception:  # whatever the library's code raises at traced arrays
        raise NotNative("its definition can't be traced") from None
    wanted = [(shape_of(v.aval), dtype_of(v.aval)) for v in eqn.outvars]
    if [(v.shape, v.dtype) for v in out] != wanted:
        raise NotNative("its definition gives other types than it has")
    return out


@foreign
def rule(eqn: Any) -> Rule | None:
    """The rule for a primitive that the registry doesn't have."""
    if not _is_foreign(getattr(eqn.primitive, "impl", None)):
        return None
    return Rule(by_definition, "foreign", frozenset(eqn.params), "")
