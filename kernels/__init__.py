"""Accelerated twins of the core's hot functions, and the one place that chooses between them."""

from jaxbm.kernels.adam import adam_update
from jaxbm.kernels.dispatch import Explanation, choose, explain, status
from jaxbm.kernels.mlp.apply import apply
from jaxbm.kernels.permutation import permutation

__all__ = ["Explanation", "adam_update", "apply", "choose", "explain", "permutation", "status"]
