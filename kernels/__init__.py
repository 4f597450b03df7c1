"""Accelerated twins of the core's hot functions, and the one place that chooses between them."""

from jaxbm.kernels.dispatch import choose, status

__all__ = ["choose", "status"]
