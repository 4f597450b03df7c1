"""How each node that isn't elementwise is written, in files by kind; importing them fills the table of `emit`."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.kernels.program.nodes import control, indexing, linalg, products, reductions, shapes, sorting

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["control", "indexing", "linalg", "products", "reductions", "shapes", "sorting"]
