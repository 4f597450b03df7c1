"""What can be native of a function that as a whole can't: its loops, each as a native call among XLA's operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.jaxprs import ClosedJaxpr, Literal, jaxpr_as_fun

LOOPS = ("scan", "while")
CALLS = ("jit", "pjit", "closed_call")
Build = Callable[[Any, str], Any]
"""From a closed jaxpr and a name for it to a native function of its arguments; raises NotNative."""


def evaluate(closed: Any, arrays: Sequence[Any], build: Build) -> list[Any]:
    """A closed jaxpr at these arrays, with the loops native for which `build` doesn't raise NotNative."""
    return _Evaluation(closed, arrays, build).run()


class _Evaluation:
    """The values of one jaxpr's variables while it is evaluated."""

    def __init__(self, closed: Any, arrays: Sequence[Any], build: Build) -> None:
        self._jaxpr, self._build = closed.jaxpr, build
        self._env: dict[Any, Any] = dict(zip(self._jaxpr.constvars, closed.consts, strict=True))
        self._env.update(zip(self._jaxpr.invars, arrays, strict=True))

    def run(self) -> list[Any]:
        waiting: list[Any] = []
        for eqn in self._jaxpr.eqns:
            if not _has_loops(eqn):
                waiting.append(eqn)
                continue
            self._by_xla(waiting)
            waiting = []
            self._env.update(zip(eqn.outvars, self._loop_or_call(eqn), strict=True))
        self._by_xla(waiting)
        return [self._read(v) for v in self._jaxpr.outvars]

    def _read(self, v: Any) -> Any:
        return v.val if isinstance(v, Literal) else self._env[v]

    def _by_xla(self, eqns: Sequence[Any]) -> None:
        if eqns:
            function, ins, outs = function_of(self._jaxpr, eqns)
            values = jaxpr_as_fun(function)(*[self._env[v] for v in ins])
            self._env.update(zip(outs, values, strict=True))

    def _loop_or_call(self, eqn: Any) -> Sequence[Any]:
        values = [self._read(v) for v in eqn.invars]
        if eqn.primitive.name in CALLS:
            return evaluate(inner_of(eqn), values, self._build)
        closed, ins, outs = function_of(self._jaxpr, [eqn])
        arguments = [self._env[v] for v in ins]
        try:
            results = self._build(closed, eqn.primitive.name)(*arguments)
        except NotNative:
            results = jaxpr_as_fun(closed)(*arguments)
        found = dict(zip(outs, results, strict=True))
        return [found.get(v) for v in eqn.outvars]


def inner_of(eqn: Any) -> Any:
    return eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr")


def _has_loops(eqn: Any) -> bool:
    name = eqn.primitive.name
    return name in LOOPS or (name in CALLS and any(_has_loops(e) for e in inner_of(eqn).jaxpr.eqns))


def function_of(jaxpr: Any, eqns: Sequence[Any]) -> tuple[Any, list[Any], list[Any]]:
    """Some equations as a closed jaxpr, the variables that it reads, and those that it gives."""
    outs = [v for e in eqns for v in e.outvars if type(v).__name__ != "DropVar"]
    made = set(outs)
    ins = dict.fromkeys(v for e in eqns for v in e.invars if not isinstance(v, Literal) and v not in made)
    info = jaxpr.debug_info._replace(arg_names=None, result_paths=None)
    effects = frozenset().union(*(e.effects for e in eqns))
    part = jaxpr.replace(
        constvars=[], invars=list(ins), outvars=outs, eqns=list(eqns), effects=effects, debug_info=info
    )
    return ClosedJaxpr(part, ()), list(ins), outs
