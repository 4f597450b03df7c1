"""The processor that programs are compiled for, and LLVM, which is loaded when the first program is compiled."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

HINT = "llvmlite isn't installed, so functions run by XLA: pip install 'jaxbm[native]'"
TARGET = {"reloc": "pic", "codemodel": "small", "jit": True}
"""Options of all generated code."""
LESSER = {"v2": ("avx", "f16c", "fma", "bmi", "vaes", "vpclmulqdq", "amx"), "v3": ("avx512", "avx10", "evex", "amx")}
"""Beginnings of the names of features that a lesser instruction set lacks, by its name in `JAXBM_ISA`."""

TUNING = "+prefer-no-gather,+prefer-no-scatter"
"""Of the passes on x86: elements from many places are loaded one by one, which takes no longer than a gather."""


@cache
def llvm() -> Any:
    """llvmlite's binding, ready to compile for this machine; None where it isn't installed."""
    try:
        import llvmlite.binding as binding
    except ImportError:
        return None
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


def name() -> str:
    """The processor, as LLVM calls it."""
    return llvm().get_host_cpu_name()


@cache
def features() -> str:
    """The processor's features as LLVM names them; those of a lesser instruction set where the environment variable
    `JAXBM_ISA` names one, as for the kernels that were compiled before."""
    found = llvm().get_host_cpu_features()
    lacks = LESSER.get(os.environ.get("JAXBM_ISA", ""), ())
    for feature in found:
        if lacks and feature.startswith(lacks):
            found[feature] = False
    told = found.flatten()
    return f"{told},{TUNING}" if llvm().get_process_triple().startswith("x86_64") else told


@cache
def vector_bytes() -> int:
    """Bytes of a vector in loops over elements and for scalars packed together."""
    return 32 if "+avx2" in features().split(",") else 16


@cache
def wide_bytes() -> int:
    """Bytes of the widest vector there is, for loops that have no remainder with it, or are long."""
    return 64 if "+avx512f" in features().split(",") else vector_bytes()


@cache
def scales() -> bool:
    """Whether there are instructions that multiply by a power of two, rounding once."""
    return {"+avx512f", "+avx512vl"} <= set(features().split(","))


@cache
def identity() -> str:
    """What compiled code depends on besides its text and the options of its compiling."""
    import llvmlite

    b = llvm()
    llvm_is = f"{llvmlite.__version__} {b.llvm_version_info}"
    return f"{llvm_is} {b.get_process_triple()} {b.get_host_cpu_name()} {features()} {TARGET}"


def target_machine(level: int) -> Any:
    """A code generator for this processor, at an optimisation level from 0 to 3."""
    b = llvm()
    target = b.Target.from_triple(b.get_process_triple())
    return target.create_target_machine(cpu=b.get_host_cpu_name(), features=features(), opt=level, **TARGET)
