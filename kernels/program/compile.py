"""From LLVM IR to machine code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from jaxbm.kernels.program import disk, machine
from jaxbm.kernels.program.linalg import lapack

LONG = 8000
"""Lines from which on costly passes are left out: those of loops take seconds where there are hundreds of loops, and
code made by them was no faster."""


class Code(NamedTuple):
    """Machine code in this process. It lives as long as this does."""

    addresses: dict[str, int]
    keep: Any
    parse_seconds: float
    optimise_seconds: float
    generate_seconds: float


def optimise(module: Any, target: Any, *, level: int, slp: bool) -> None:
    """LLVM's passes; loops are vectorised already, straight-line code may be where `slp` says so."""
    b = machine.llvm()
    options = b.create_pipeline_tuning_options(speed_level=level)
    options.slp_vectorization = slp
    options.loop_vectorization = False
    options.loop_interleaving = False
    builder = b.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)


def tidy(module: Any, target: Any) -> None:
    """A few cheap passes, for programs that are long and loops written as they shall run: a twentieth of the time."""
    b = machine.llvm()
    manager = b.create_new_module_pass_manager()
    manager.add_always_inliner_pass()
    manager.add_instruction_combine_pass()
    manager.add_simplify_cfg_pass()
    manager.run(module, b.create_pass_builder(target, b.create_pipeline_tuning_options(speed_level=1)))


def compile_text(
    text: str, exports: Sequence[str], products: str = "", *, passes: bool = True, long_loops: bool = False
) -> Code:
    """Machine code of a module, and of one whose functions it calls; from disk where it is known there.

    Products are written as they shall run, and need no passes of LLVM's; nor does what is called once a call. Where
    nearly all of the work is in long loops (`long_loops`), few are worth it.
    """
    started = time.perf_counter()
    image = disk.read(text, products)
    if image is not None:
        addresses, keep = load(image, exports)
        return Code(addresses, keep, 0.0, 0.0, time.perf_counter() - started)
    b = machine.llvm()
    modules = [b.parse_assembly(t) for t in (text, products) if t.strip()]
    for module in modules:
        module.triple = b.get_process_triple()
    parsed = time.perf_counter()
    long = text.count("\n") > LONG
    target = machine.target_machine(1 if long else 2)
    if passes and (long or long_loops):
        tidy(modules[0], target)
    elif passes:
        optimise(modules[0], target, level=2, slp=True)
    for module in modules[1:]:
        modules[0].link_in(module)
    optimised = time.perf_counter()
    image = target.emit_object(modules[0])
    addresses, keep = load(image, exports)
    generated = time.perf_counter()
    disk.write(image, generated - started, text, products)
    return Code(addresses, keep, parsed - started, optimised - parsed, generated - optimised)


@cache
def _linker() -> Any:
    """JITLink puts an object into one piece of memory, so that addresses within it need only 32 bits."""
    from llvmlite.binding import create_lljit_compiler

    return create_lljit_compiler(machine.target_machine(2), use_jit_link=True)


_count = itertools.count()


def load(image: bytes, exports: Sequence[str]) -> tuple[dict[str, int], Any]:
    """Link an object file into this process: addresses of its exported names, and what keeps it there."""
    from llvmlite.binding import JITLibraryBuilder

    library = JITLibraryBuilder().add_object_img(image).add_current_process()
    for name in exports:
        library.export_symbol(name)
    for routine in lapack.ROUTINES:
        # SciPy's linear algebra takes longer to import than many a program to compile.
        if f"jaxbm_{routine}".encode() in image and lapack.available():
            library.import_symbol(f"jaxbm_{routine}", lapack.address(routine))
    tracker = library.link(_linker(), f"jaxbm{next(_count)}")
    return {name: tracker[name] for name in exports}, tracker


def assembly(text: str) -> str:
    """The module as assembly, to be read, with all passes: programs of long loops run with fewer."""
    b = machine.llvm()
    module = b.parse_assembly(text)
    module.triple = b.get_process_triple()
    target = machine.target_machine(2)
    optimise(module, target, level=2, slp=True)
    return target.emit_assembly(module)
