"""Elementary and special functions for compiled programs, within two units in the last place."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.kernels.program.maths import (
    error,
    exponential,
    gamma,
    hyperbolic,
    inverse,
    logarithm,
    power,
    trigonometric,
)
from jaxbm.kernels.program.maths.power import HALVES, constant_power
from jaxbm.kernels.program.maths.registry import call, emit, names

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "HALVES",
    "call",
    "constant_power",
    "emit",
    "error",
    "exponential",
    "gamma",
    "hyperbolic",
    "inverse",
    "logarithm",
    "names",
    "power",
    "trigonometric",
]
