"""From LLVM IR to machine code."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from jaxbm.kernels.program import machine

LONG = 8000
"""Lines from which on costly passes are left out: what they gain is lost while compiling."""


class Code(NamedTuple):
    """Machine code in this process. It lives as long as `engine` does."""

    engine: Any
    parse_seconds: float
    optimise_seconds: float
    generate_seconds: float

    def address(self, name: str) -> int:
        """Where a function or a variable stands."""
        return self.engine.get_function_address(name) or self.engine.get_global_value_address(name)


def optimise(module: Any, target: Any, *, level: int, slp: bool) -> None:
    """LLVM's passes; loops are vectorised already, straight-line code may be where `slp` says so."""
    b = machine.llvm()
    options = b.create_pipeline_tuning_options(speed_level=level)
    options.slp_vectorization = slp
    options.loop_vectorization = False
    options.loop_interleaving = False
    builder = b.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)


def compile_text(text: str, products: str = "") -> Code:
    """Machine code of a module, and of one whose functions it calls."""
    b = machine.llvm()
    started = time.perf_counter()
    modules = [b.parse_assembly(t) for t in (text, products) if t.strip()]
    for module in modules:
        module.triple = b.get_process_triple()
    parsed = time.perf_counter()
    long = text.count("\n") > LONG
    target = machine.target_machine(1 if long else 2)
    optimise(modules[0], target, level=1 if long else 2, slp=not long)
    for module in modules[1:]:
        optimise(module, target, level=2, slp=False)
    for module in modules[1:]:
        modules[0].link_in(module)
    optimised = time.perf_counter()
    # One contiguous piece of memory, so that addresses within the code need only 32 bits.
    engine = b.create_mcjit_compiler(modules[0], target, use_lmm=True)
    engine.finalize_object()
    generated = time.perf_counter()
    return Code(engine, parsed - started, optimised - parsed, generated - optimised)


def assembly(text: str) -> str:
    """The optimised module as assembly, to be read."""
    b = machine.llvm()
    module = b.parse_assembly(text)
    module.triple = b.get_process_triple()
    target = machine.target_machine(2)
    optimise(module, target, level=2, slp=True)
    return target.emit_assembly(module)
