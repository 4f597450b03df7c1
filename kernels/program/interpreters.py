"""Interpreters of JAX that look into jitted functions look into accelerated ones as well.

`checkify` and `jet` take a jaxpr apart, equation by equation. To them a program is a jitted function: that which it
stands for. So it is to `vmap` where a function in it has a rule of its own for being mapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.experimental import checkify, jet
from jax.interpreters import batching

from jaxbm.kernels.program.build import build
from jaxbm.kernels.program.call import over_members, program_p
from jaxbm.kernels.program.derivative import by_jax, tangent_p
from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.parts import evaluate

Function = Callable[..., list[Any]]


def _plain(*arrays: Any, native: Any, lead: int) -> list[Any]:
    return native.plain(arrays, lead)


def _as_jitted(function: Function, arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """The equation of a jitted function that does the same."""
    (eqn,) = jax.make_jaxpr(jax.jit(lambda *values: function(*values, **params)))(*arrays).jaxpr.eqns
    return eqn


def _checked(primitive: Any, function: Function, rules: Any) -> None:
    """Tell `checkify`, whose rules get the error so far, the kinds that are looked for, and the operands last."""

    def rule(*args: Any, **params: Any) -> tuple[Any, Any]:
        count = len(params["native"].signature.arguments) + len(params.get("moving", ()))
        before, arrays = args[: len(args) - count], args[len(args) - count :]
        *_, error, enabled = before
        if enabled <= checkify.user_checks and not params["native"].effects:
            return error, primitive.bind(*arrays, **params)
        eqn = _as_jitted(function, arrays, params)
        return rules[eqn.primitive](*before, *arrays, **eqn.params)

    rules[primitive] = rule


def _taylor(primitive: Any, function: Function) -> None:
    """Tell `jet`, whose rules get the values and their series."""
    rules: Any = jet.jet_rules

    def rule(primals: Any, series: Any, **params: Any) -> Any:
        eqn = _as_jitted(function, primals, params)
        return rules[eqn.primitive](primals, series, **eqn.params)

    rules[primitive] = rule


def _mapped(arrays: Sequence[Any], dims: Sequence[Any], *, native: Any, lead: int) -> tuple[Any, Any]:
    """The rule for `vmap`; with a rule of its own inside, what is mapped is another function, compiled anew."""
    if not native.has_own_mapping:
        return over_members(arrays, dims, native=native, lead=lead)
    closed = jax.make_jaxpr(jax.vmap(lambda *one: native.plain(one, lead), in_axes=tuple(dims)))(*arrays)
    try:
        out = build(closed, native.name)(*arrays)
    except NotNative:
        out = evaluate(closed, arrays, lambda part, name: build(part, name))
    return out, [0] * len(out)


batching.primitive_batchers[program_p] = _mapped

_RULES = getattr(checkify.checkify, "__globals__", {}).get("error_checks")
"""The table of `checkify`'s rules, which has no public name."""

for _primitive, _function in ((program_p, _plain), (tangent_p, by_jax)):
    _taylor(_primitive, _function)
    if isinstance(_RULES, dict):
        _checked(_primitive, _function, _RULES)
