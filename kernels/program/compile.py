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


class Options(NamedTuple):
    """All that LLVM is told, so that code depends on nothing else but its text and the processor; it is a part of the
    code's name on disk."""

    level: int
    """How thoroughly machine code is generated, from 0 to 3."""
    tuning: tuple[tuple[str, Any], ...]
    """Options of LLVM's own sequence of passes."""
    passes: tuple[str, ...] | None = None
    """The passes one by one; None for LLVM's own sequence."""


ALL = Options(
    2, (("speed_level", 2), ("slp_vectorization", True), ("loop_vectorization", False), ("loop_interleaving", False))
)
"""Loops are vectorised already, straight-line code may be."""
FEW = Options(2, (("speed_level", 1),), ("always_inliner", "instruction_combine", "simplify_cfg"))
"""For loops written as they shall run: a twentieth of the time."""
QUICK = FEW._replace(level=1)
"""For long programs."""
NONE = Options(0, (), ())
"""For what is called once a call: a sixth of the time that level 1 takes, for some nanoseconds more a call."""


def options_for(text: str, *, long_loops: bool) -> Options:
    """The passes that pay for themselves: where nearly all of the work is in long loops (`long_loops`), few do."""
    if text.count("\n") > LONG:
        return QUICK
    return FEW if long_loops else ALL


def optimise(module: Any, target: Any, options: Options) -> None:
    """Run LLVM's passes."""
    b = machine.llvm()
    tuning = b.create_pipeline_tuning_options()
    for name, value in options.tuning:
        setattr(tuning, name, value)
    builder = b.create_pass_builder(target, tuning)
    if options.passes is None:
        builder.getModulePassManager().run(module, builder)
    elif options.passes:
        manager = b.create_new_module_pass_manager()
        for name in options.passes:
            getattr(manager, f"add_{name}_pass")()
        manager.run(module, builder)


def compile_text(text: str, exports: Sequence[str], products: str = "", options: Options = ALL) -> Code:
    """Machine code of a module, and of one whose functions it calls; from disk where it is known there.

    Products are written as they shall run, and need no passes of LLVM's.
    """
    started = time.perf_counter()
    image = disk.read(repr(options), text, products)
    if image is not None:
        addresses, keep = load(image, exports)
        return Code(addresses, keep, 0.0, 0.0, time.perf_counter() - started)
    b = machine.llvm()
    modules = [b.parse_assembly(t) for t in (text, products) if t.strip()]
    for module in modules:
        module.triple = b.get_process_triple()
    parsed = time.perf_counter()
    target = machine.target_machine(options.level)
    optimise(modules[0], target, options)
    for module in modules[1:]:
        modules[0].link_in(module)
    optimised = time.perf_counter()
    image = target.emit_object(modules[0])
    addresses, keep = load(image, exports)
    generated = time.perf_counter()
    disk.write(image, generated - started, repr(options), text, products)
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
    target = machine.target_machine(ALL.level)
    optimise(module, target, ALL)
    return target.emit_assembly(module)
