"""In which numbers matrix products of float32 are computed: what may be asked for, and what a device makes of it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax

from jaxbm.core.names import unknown

PRECISIONS = ("highest", "tf32", "bfloat16")
"""The names, from the most to the least precise. Each is the least that a run is content with."""
_OF_JAX = {"highest": "highest", "tf32": "default", "bfloat16": "default"}
"""What JAX calls them, on a CPU (where every product is one of float32) and on a GPU (where the default is TF32)."""
_OF_JAX_ELSEWHERE = {"gpu": {"bfloat16": "BF16_BF16_F32"}, "tpu": {"tf32": "high"}}
_AS_BY_DEFAULT = (None, "default", "bfloat16", "high", "tensorfloat32", "tf32")
TF32_CAPABILITY = 8.0
"""NVIDIA's GPUs from Ampere on have TF32; earlier ones compute in float32."""


@jax.tree_util.register_static
class Precision(str):
    """In which numbers products of float32 were computed: text, and a pytree without leaves.

    What `used` returns, or of the CUDA kernel "tf32_3x": float32 in three parts of TF32.

    Example:
      >>> import jax
      >>> from jaxbm.core.precision import Precision
      >>> Precision("tf32") == "tf32", jax.tree.leaves(Precision("tf32"))
      (True, [])
    """

    __slots__ = ()


def checked(name: str, value: Any) -> str | None:
    """None or one of `PRECISIONS`.

    Raises:
      ValueError: it is neither; names the argument.
    """
    if value is not None and (not isinstance(value, str) or value not in PRECISIONS):
        raise unknown(name, value, PRECISIONS)
    return value


def computing(precision: str | None) -> AbstractContextManager[Any]:
    """A context in which JAX traces products of that precision; with None those of JAX's own setting."""
    if precision is None:
        return nullcontext()
    own = _OF_JAX_ELSEWHERE.get(jax.default_backend(), {})
    return jax.default_matmul_precision(own.get(precision, _OF_JAX[precision]))


def used(precision: str | None) -> Precision:
    """In which numbers XLA computes products of float32 on JAX's default device, at that precision.

    Args:
      precision: None for JAX's own setting, or one of `PRECISIONS`.

    Returns:
      "float32", "tf32", "bfloat16", "bfloat16_3x" (float32 in three parts of bfloat16), or the name of one of JAX's
      algorithms, where JAX's setting is such.
    """
    platform = jax.default_backend()
    config: Any = jax.config
    setting = config.jax_default_matmul_precision if precision is None else precision
    if platform == "cpu" or setting in ("highest", "float32"):
        return Precision("float32")
    if setting not in _AS_BY_DEFAULT:
        return Precision(setting.lower())
    if platform == "tpu":
        return Precision("bfloat16_3x" if setting in ("high", "tensorfloat32", "tf32") else "bfloat16")
    if precision == "bfloat16":
        return Precision("bfloat16")
    capability = getattr(jax.devices()[0], "compute_capability", None)
    older = capability is not None and float(capability) < TF32_CAPABILITY
    return Precision("float32" if older else "tf32")
