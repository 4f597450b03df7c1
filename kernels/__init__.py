"""Accelerated twins of the core's hot functions, and the one place that chooses between them."""

from typing import TYPE_CHECKING

from jaxbm.core import lazy

if TYPE_CHECKING:
    from jaxbm.kernels.adam import adam_update
    from jaxbm.kernels.dispatch import Explanation, choose, explain, status
    from jaxbm.kernels.mlp.apply import apply
    from jaxbm.kernels.permutations import permutation
else:
    __getattr__, __dir__ = lazy.attached(
        __name__,
        {
            "jaxbm.kernels.adam": "adam_update",
            "jaxbm.kernels.dispatch": ("Explanation", "choose", "explain", "status"),
            "jaxbm.kernels.mlp.apply": "apply",
            "jaxbm.kernels.permutations": "permutation",
        },
    )

__all__ = ["Explanation", "adam_update", "apply", "choose", "explain", "permutation", "status"]
