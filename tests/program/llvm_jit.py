"""Compiles LLVM text and calls it, for tests of what the compiler's parts write."""

import ctypes
from collections.abc import Sequence

import llvmlite.binding as llvm
import numpy as np

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()


def machine(opt: int = 2) -> llvm.TargetMachine:
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=opt,
        reloc="pic",
        codemodel="jitdefault",
        jit=True,
    )


class Compiled:
    """Functions of a module by name, called with arrays (as pointers) and integers (as 64 bits)."""

    def __init__(self, text: str, *, opt: int = 1) -> None:
        module = llvm.parse_assembly(text)
        module.verify()
        module.triple = llvm.get_process_triple()
        target = machine()
        options = llvm.create_pipeline_tuning_options(speed_level=opt)
        options.slp_vectorization = options.loop_vectorization = options.loop_interleaving = False
        builder = llvm.create_pass_builder(target, options)
        builder.getModulePassManager().run(module, builder)
        self.engine = llvm.create_mcjit_compiler(module, target)
        self.engine.finalize_object()

    def __call__(self, name: str, *args: np.ndarray | int) -> None:
        address = self.engine.get_function_address(name)
        if not address:
            raise ValueError(f"no function {name}")
        kinds: Sequence[type] = [ctypes.c_int64 if isinstance(a, int) else ctypes.c_void_p for a in args]
        call = ctypes.CFUNCTYPE(None, *kinds)(address)
        call(*[a if isinstance(a, int) else a.ctypes.data for a in args])


_foreign: list[str] = []


def assembly(text: str, triple: str, cpu: str = "", features: str = "") -> str:
    """The assembler text for another processor."""
    if triple not in _foreign:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        _foreign.append(triple)
    module = llvm.parse_assembly(text)
    module.verify()
    module.triple = triple
    target = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=2)
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.slp_vectorization = options.loop_vectorization = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return target.emit_assembly(module)
