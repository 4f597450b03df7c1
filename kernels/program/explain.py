"""`explain`: what becomes of a function that is accelerated, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxbm.kernels.program.accelerate import STATICS, _name


class Part(NamedTuple):
    """A native function, or a loop that isn't one."""

    name: str
    reason: str | None
    """why it is left to XLA; None where it is native"""
    nodes: int
    """operations, with those inside loops and branches"""
    loops: int
    arena_bytes: int
    """memory for intermediate arrays"""
    llvm_lines: int
    seconds: dict[str, float]
    """what tracing and compiling took"""
    listing: str
    """the operations, one a line"""
    bail_outs: tuple[str, ...] = ()
    """why branches aren't native: where one of them would run, XLA runs the whole part instead"""

    def __str__(self) -> str:
        if self.reason is not None:
            return f"{self.name}: by XLA, since {self.reason}"
        total = sum(self.seconds.values())
        bail_outs = "".join(f"\n    gives up, for XLA to run it, in a branch: {why}" for why in self.bail_outs)
        return (
            f"{self.name}: native: {self.nodes} operations, {self.loops} loops, {self.arena_bytes:,} bytes of "
            f"intermediate arrays, {self.llvm_lines:,} lines of LLVM IR, compiled in {total:.2f} s{bail_outs}"
        )


class ProgramExplanation(NamedTuple):
    """Whether a function is native as a whole, why not, and what its parts are."""

    name: str
    native: bool
    reason: str | None
    parts: tuple[Part, ...]
    trace_seconds: float

    def __str__(self) -> str:
        head = f"{self.name}: native as a whole"
        if not self.native:
            head = f"{self.name}: not native as a whole: {self.reason}"
        return "\n".join([head, *(f"  {part}" for part in self.parts)])


def explain(f: Callable[..., Any]) -> Callable[..., ProgramExplanation]:
    """What `accelerate(f)` does with arguments of these shapes: a function of the arguments of `f`, which isn't run.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import jaxbm
      >>> def simulate(x):
      ...     return jax.lax.fori_loop(0, 1000, lambda i, x: x + 0.01 * jnp.sin(x), x)
      >>> explanation = jaxbm.explain(simulate)(jnp.float32(1.0))
      >>> for line in explanation.parts[0].listing.splitlines()[:4]:
      ...     print(line)
      in  %0: f32[]
      %1: f32[] = scan length=1000 reverse=False n_carry=1 %0
          in  %2: f32[]
          %3: f32[] = sin %2
    """
    if not callable(f):
        raise TypeError(f"f: expected a function of arrays, got {type(f).__name__}")
    traced = getattr(f, "__wrapped__", None)
    statics = getattr(traced, STATICS, None)
    original = f if statics is None else traced.__wrapped__  # type: ignore[union-attr]

    def explained(*args: Any, **kwargs: Any) -> ProgramExplanation:
        found: list[ProgramExplanation] = []

        def probe(*args: Any, **kwargs: Any) -> None:
            found.append(_explain(original, args, kwargs))

        # As `accelerate` gets them: everything is an array that isn't static.
        jax.jit(probe, **(statics or {})).trace(*args, **kwargs)
        return found[0]

    return explained


def _explain(f: Callable[..., Any], args: Any, kwargs: Any) -> ProgramExplanation:
    from jaxbm.kernels.program.flatten import flatten
    from jaxbm.kernels.program.ir import NotNative
    from jaxbm.kernels.program.parts import evaluate
    from jaxbm.kernels.program.reports import separated

    parts: list[Part] = []
    start = time.perf_counter()
    flat = flatten(f, args, kwargs)
    traced = time.perf_counter() - start
    try:
        _part(separated(flat.closed).closed, _name(f), parts)
        return ProgramExplanation(_name(f), True, None, tuple(parts), traced)
    except NotNative as reason:

        def build(closed: Any, name: str) -> Any:
            try:
                return _part(closed, name, parts)
            except NotNative as why:
                parts.append(Part(name, str(why), 0, 0, 0, 0, {}, ""))
                raise

        evaluate(flat.closed, flat.arrays, build)
        return ProgramExplanation(_name(f), False, str(reason), tuple(parts), traced)


def _part(closed: Any, name: str, parts: list[Part]) -> Any:
    from jaxbm.kernels.program.build import build
    from jaxbm.kernels.program.emit import bail_outs
    from jaxbm.kernels.program.ir import listing

    built = build(closed, name)
    nodes = [node for _, node in built.program.block.walk()]
    loops = sum(node.op in ("scan", "while") for node in nodes)
    lines = built.llvm.count("\n")
    text = listing(built.program.block)
    reasons = tuple(dict.fromkeys(bail_outs(built.program.block)))
    parts.append(Part(name, None, len(nodes), loops, built.arena_bytes, lines, built.seconds, text, reasons))
    return built
