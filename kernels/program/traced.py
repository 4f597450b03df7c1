"""Whole functions traced, with the rules of all primitives at hand."""

from __future__ import annotations

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


def trace_jaxpr(closed: Any) -> Program:
    """The program of a closed jaxpr.

    Raises:
      NotNative: something in it has no native counterpart.
    """
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
