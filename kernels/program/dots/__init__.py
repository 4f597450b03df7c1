"""Matrix products of any shape, layout and type as functions of their own."""

from jaxbm.kernels.program.dots.emit import emit
from jaxbm.kernels.program.dots.plan import Plan, Spec, Target, contiguous, cycles, host, plan

__all__ = ["Plan", "Spec", "Target", "contiguous", "cycles", "emit", "host", "plan"]
