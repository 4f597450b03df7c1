"""Matrix products of any shape, layout and type as functions of their own."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.kernels.program.dots.emit import emit
from jaxbm.kernels.program.dots.plan import Plan, Spec, Target, contiguous, cycles, host, is_large, plan, tile_cycles

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["Plan", "Spec", "Target", "contiguous", "cycles", "emit", "host", "is_large", "plan", "tile_cycles"]
