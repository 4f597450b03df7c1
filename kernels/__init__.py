"""Accelerated twins of the core's hot functions, and the one place that chooses between them."""

from jaxbm.kernels.dispatch import IMPLEMENTATIONS, choose, explain, status

__all__ = ["IMPLEMENTATIONS", "choose", "explain", "status"]
