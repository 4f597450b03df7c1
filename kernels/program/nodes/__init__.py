"""How each node that isn't elementwise is written, in files by kind; importing them fills the table of `emit`."""

from jaxbm.kernels.program.nodes import control, indexing, linalg, products, reductions, shapes, sorting

__all__ = ["control", "indexing", "linalg", "products", "reductions", "shapes", "sorting"]
