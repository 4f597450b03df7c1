"""Functions of small arrays compiled as native functions: tracing, an intermediate representation, LLVM, the call."""

from jaxbm.kernels.program.accelerate import accelerate
from jaxbm.kernels.program.explain import Part, ProgramExplanation, explain

__all__ = ["Part", "ProgramExplanation", "accelerate", "explain"]
