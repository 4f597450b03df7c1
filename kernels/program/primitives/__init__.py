"""How each primitive of JAX becomes nodes of a program, in files by kind; importing them fills the registry."""

from jaxbm.kernels.program.primitives import (
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

__all__ = [
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
