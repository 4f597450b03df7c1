"""A compiled program for a closed jaxpr: traced, judged, written, compiled and made known to the handler."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import jaxbm.kernels.program.nodes  # noqa: F401 - the rules by which nodes are written
from jaxbm.core.settings import callers_level
from jaxbm.kernels.program import cost, machine, table
from jaxbm.kernels.program.call import GAVE_UP, Native
from jaxbm.kernels.program.compile import compile_text, options_for
from jaxbm.kernels.program.emit import ENTRY, bail_outs, emit
from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.traced import Program, trace_jaxpr


class Built(NamedTuple):
    """A compiled program with what is to be told about it."""

    native: Native
    program: Program
    llvm: str
    arena_bytes: int
    seconds: dict[str, float]

    def __call__(self, *arrays: Any) -> list[Any]:
        """Run it."""
        return self.native(*arrays, *self.program.captured)

    def over(self, lead: int, arrays: Sequence[Any]) -> list[Any]:
        """Run it for members along so many leading axes."""
        captured = [jnp.expand_dims(a, tuple(range(lead))) for a in self.program.captured]
        return self.native(*arrays, *captured, lead=lead)


_compile_seconds: dict[int, dict[str, float]] = {}


def checked() -> bool:
    """Whether every access of a compiled program is checked against the bounds of its array."""
    return os.environ.get("JAXBM_CHECK", "") not in ("", "0")


def build(closed: Any, name: str, *, judge: bool = True) -> Built:
    """Compile a closed jaxpr of arrays; what was compiled before is taken again.

    Args:
      closed: a closed jaxpr without typed keys among its arguments and results.
      name: what it is called where it is printed.
      judge: whether a program that XLA would run faster counts as not native.

    Raises:
      NotNative: something in it has no native counterpart, or it isn't worth it.
    """
    if machine.llvm() is None:
        raise NotNative(machine.HINT)
    try:
        return _build(closed, name, judge)
    except NotNative:
        raise
    except Exception as fault:
        # Whoever calls gets the results all the same, and hears of it.
        kind = f"{type(fault).__name__}: {fault}"
        told = f"accelerate({name}): an error of its compiler, please report it: {kind}"
        warnings.warn(told, stacklevel=callers_level())
        raise NotNative(f"its compiler failed with {kind}") from fault


def _build(closed: Any, name: str, judge: bool) -> Built:
    clock = time.perf_counter
    start = clock()
    program = trace_jaxpr(closed)
    block = program.block
    reasons = bail_outs(block)
    if reasons and jax.sharding.get_abstract_mesh().manual_axes:
        raise NotNative(f"within shard_map nothing may give up, and a branch isn't native: {reasons[0]}")
    slower = cost.reason_for_xla(block) if judge else None
    if slower is not None:
        raise NotNative(slower)
    traced = clock()
    widths = {"vector_bytes": machine.vector_bytes(), "wide_bytes": machine.wide_bytes()}
    written = emit(block, **widths, scales=machine.scales(), checked=checked())
    emitted = clock()
    signature = table.Signature(
        tuple((v.shape, v.dtype) for v in block.inputs),
        (*((v.shape, v.dtype) for v in block.outputs), *([GAVE_UP] if written.gives_up else [])),
    )
    many = cost.parallel_from(block)
    options = options_for(written.text, long_loops=cost.of_block(block).is_long)
    # Of an array of which a program reads a part its text doesn't tell the size, by which members are apart.
    sizes = f"{written.arena_bytes} {many}"
    key = table.hash_of("\n".join([repr(signature), sizes, repr(options), written.text, written.products]))
    if key not in _compile_seconds:
        code = compile_text(written.text, (ENTRY,), written.products, options)
        table.register(key, code, signature, arena_bytes=written.arena_bytes, parallel_from=many)
        _compile_seconds[key] = {
            "parse": code.parse_seconds, "optimise": code.optimise_seconds, "generate": code.generate_seconds,
        }  # fmt: skip
    seconds = {"trace": traced - start, "write": emitted - traced, **_compile_seconds[key]}
    weak = [getattr(a, "weak_type", False) for a in closed.out_avals]
    native = Native(key, signature, weak, closed, name, program.captured, gives_up=written.gives_up)
    return Built(native, program, written.text + written.products, written.arena_bytes, seconds)
