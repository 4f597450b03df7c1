"""What a function prints, or tells a callback that gives nothing back, outside its loops and branches.

Such reports need nothing but values: a program gives those as further results, and JAX passes them on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxbm.kernels.program.jaxprs import ClosedJaxpr, Literal, jaxpr_as_fun
from jaxbm.kernels.program.parts import CALLS, function_of, inner_of
from jaxbm.kernels.program.trace import is_key

REPORTS = ("debug_callback", "debug_print")


class Silent(NamedTuple):
    """A function without its reports, whose results are followed by what those need; and the reports."""

    closed: Any
    report: Callable[[Sequence[Any], Sequence[Any]], list[Any]]
    """From the arguments and the results: the function's own results, when the rest was reported."""


def separated(closed: Any) -> Silent:
    """A closed jaxpr without its reports; as it is where it has none."""
    if not any(_tells(eqn) for eqn in closed.jaxpr.eqns):
        return Silent(closed, lambda arrays, results: list(results))
    closed = _inlined(closed)
    jaxpr = closed.jaxpr
    told = [eqn for eqn in jaxpr.eqns if eqn.primitive.name in REPORTS]
    function, needed, _ = function_of(jaxpr, told)
    if any(is_key(v.aval.dtype) for v in needed):
        return Silent(closed, lambda arrays, results: list(results))
    known = {*jaxpr.invars, *jaxpr.constvars}
    more = [v for v in needed if v not in known]
    eqns = [eqn for eqn in jaxpr.eqns if eqn.primitive.name not in REPORTS]
    effects = frozenset().union(*(eqn.effects for eqn in eqns))
    if effects & frozenset().union(*(eqn.effects for eqn in told)):  # what a branch reports would come before these
        return Silent(closed, lambda arrays, results: list(results))
    info = jaxpr.debug_info._replace(result_paths=None)
    silent = jaxpr.replace(outvars=[*jaxpr.outvars, *more], eqns=eqns, effects=effects, debug_info=info)

    def report(arrays: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        own = len(jaxpr.outvars)
        values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
        values.update(zip(jaxpr.invars, arrays, strict=True))
        values.update(zip(more, results[own:], strict=True))
        jaxpr_as_fun(function)(*[values[v] for v in needed])
        return list(results[:own])

    return Silent(ClosedJaxpr(silent, closed.consts), report)


def _tells(eqn: Any) -> bool:
    """Whether an equation is a report, or a call of a function that has one."""
    return eqn.primitive.name in REPORTS or (_is_call(eqn) and any(_tells(e) for e in inner_of(eqn).jaxpr.eqns))


def _is_call(eqn: Any) -> bool:
    return eqn.primitive.name in CALLS and bool(eqn.effects)


def _inlined(closed: Any) -> Any:
    """The same with those calls inlined that have effects."""
    if not any(_is_call(eqn) for eqn in closed.jaxpr.eqns):
        return closed

    def run(closed: Any, arrays: Sequence[Any]) -> list[Any]:
        env: dict[Any, Any] = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        env.update(zip(closed.jaxpr.invars, arrays, strict=True))
        read = lambda v: v.val if isinstance(v, Literal) else env[v]  # noqa: E731
        for eqn in closed.jaxpr.eqns:
            values = [read(v) for v in eqn.invars]
            if _is_call(eqn):
                results = run(inner_of(eqn), values)
            else:
                part, ins, outs = function_of(closed.jaxpr, [eqn])
                found = dict(zip(outs, jaxpr_as_fun(part)(*[env[v] for v in ins]), strict=True))
                results = [found.get(v) for v in eqn.outvars]
            env.update(zip(eqn.outvars, results, strict=True))
        return [read(v) for v in closed.jaxpr.outvars]

    specs = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in closed.in_avals]
    return jax.make_jaxpr(lambda *arrays: run(closed, arrays))(*specs)
