"""Whole functions traced, with the rules of all primitives at hand."""

from __future__ import annotations

import contextlib
from typing import Any

import jaxbm.kernels.program.primitives  # noqa: F401 - fills RULES
from jaxbm.kernels.program import recompute
from jaxbm.kernels.program.ir import Block, Value
from jaxbm.kernels.program.registry import RULES
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of


class Program:
    """A traced function: its block, and the arrays that go in after its arguments."""

    def __init__(self, block: Block, captured: list[Any]) -> None:
        self.block, self.captured = block, captured


_kept: list[tuple[Any, Any, Program]] = []
"""The last program that was traced to be judged, for whoever compiles it; with the function, and whose arguments are
whose."""


def keep_for_build(closed: Any, program: Program) -> None:
    """Have `trace_jaxpr` give this program once, for another jaxpr that calls the same function in the same way."""
    call = _call(closed)
    if call is not None:
        _kept[:] = [(*call, program)]


def _taken(closed: Any) -> Program | None:
    call = _call(closed) if _kept else None
    if call is None:
        return None
    with contextlib.suppress(IndexError):  # another thread took it
        function, places, program = _kept.pop()
        if function is call[0] and places == call[1]:
            return program
        _kept.append((function, places, program))
    return None


def _call(closed: Any) -> tuple[Any, Any] | None:
    """The jitted function that is all of a closed jaxpr, and its places among arguments and results."""
    jaxpr = closed.jaxpr
    if len(jaxpr.eqns) != 1 or closed.consts or jaxpr.eqns[0].primitive.name not in ("jit", "pjit"):
        return None
    (eqn,) = jaxpr.eqns
    if any(hasattr(v, "val") for v in (*eqn.invars, *jaxpr.outvars)):
        return None
    place = {v: k for k, v in enumerate((*jaxpr.invars, *eqn.outvars))}
    return eqn.params["jaxpr"], (len(jaxpr.invars), [place[v] for v in (*eqn.invars, *jaxpr.outvars)])


def trace_jaxpr(closed: Any) -> Program:
    """The program of a closed jaxpr.

    Raises:
      NotNative: something in it has no native counterpart.
    """
    kept = _taken(closed)
    if kept is not None:
        return kept
    tracer = Tracer()
    for v in closed.jaxpr.invars:
        tracer.root.inputs.append(Value(shape_of(v.aval), dtype_of(v.aval)))
    tracer.root.outputs = tracer.closed(closed, tracer.root.inputs)
    tracer.root.inputs = [*tracer.root.inputs, *(v for v, _ in tracer.captured)]
    tracer.root.close()
    recompute.apply(tracer.root)
    return Program(tracer.root, [a for _, a in tracer.captured])


def markdown() -> str:
    """The table of native primitives, as the documentation has it."""
    kinds: dict[str, list[str]] = {}
    for name, found in sorted(RULES.items()):
        if name != "jaxbm_program":
            kinds.setdefault(found.kind, []).append(f"`{name}`" + (f" ({found.note})" if found.note else ""))
    rows = [f"| {kind} | {', '.join(names)} |" for kind, names in sorted(kinds.items())]
    return "\n".join(["| kind | primitives |", "|---|---|", *rows])
