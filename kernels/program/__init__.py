"""Functions of small arrays compiled as native functions: tracing, an intermediate representation, LLVM, the call."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.kernels.program.accelerate import accelerate
from jaxbm.kernels.program.explain import Part, ProgramExplanation, explain

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["Part", "ProgramExplanation", "accelerate", "explain"]
