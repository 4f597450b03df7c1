"""How each primitive of JAX becomes nodes of a program, in files by kind; importing them fills the registry."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.kernels.program.primitives import (
    bits,
    calls,
    control,
    elementwise,
    foreign,
    indexing,
    linalg,
    products,
    random,
    reductions,
    shapes,
    sorting,
    special,
    windows,
)

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "bits",
    "calls",
    "control",
    "elementwise",
    "foreign",
    "indexing",
    "linalg",
    "products",
    "random",
    "reductions",
    "shapes",
    "sorting",
    "special",
    "windows",
]
