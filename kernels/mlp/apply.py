"""`MLP.apply` over many rows as one call of the compiled CPU kernel."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core.arrays import as_array
from jaxbm.core.checks import is_traced
from jaxbm.core.rows import is_tree
from jaxbm.kernels.calls import Attributes, kernel_call
from jaxbm.kernels.choice import by_kernel, off
from jaxbm.kernels.mlp.settings import network_unsupported
from jaxbm.kernels.native import code, native
from jaxbm.models.protocol import Model, Params, as_model, check_features

MAX_LAYERS = 32


def unsupported(model: Model) -> str | None:
    """Why the kernel does not compute this network; None where it does."""
    return network_unsupported(model, MAX_LAYERS, lambda name: code("activation", name) is not None)


def slower(model: Model, *arrays: Any) -> str | None:
    """Why the kernel can't compute, or would be slower at, this network here; None where it is the faster one.

    `arrays`: pytree of features and parameters.
    """
    if (reason := off() or unsupported(model)) is not None:
        return reason
    if native().isa == "v2":
        return "without AVX2, XLA is faster"
    if any(jnp.result_type(leaf) != jnp.float32 for leaf in jax.tree.leaves(arrays)):
        return "the kernel computes in float32"
    return None


def apply(model: Model, params: Params, x: Array, *, implementation: str | None = None) -> Array:
    """`model.apply` over many rows: each block of rows goes through all layers while it is in the cache.

    Works under `jit`, `vmap` (members share `x` without a copy) and `grad`.

    Args:
      model, params: the network.
      x: float `[n, in]`.
      implementation: None for the kernel where it can, else plain JAX; "cpu" or "xla" for one of them.

    Returns:
      `[n, out]`.

    Raises:
      ValueError, TypeError: `implementation` is neither, or the model, its parameters or the features are unusable.
      NotImplementedError: `implementation="cpu"`, and the kernel can't; says why.

    Example:
      >>> import jax, jaxbm
      >>> model = jaxbm.MLP((4, 8, 1))
      >>> jaxbm.kernels.apply(model, model.init(jax.random.key(0)), jax.numpy.ones((10, 4))).shape
      (10, 1)
    """
    if not is_traced(params, x):
        as_model(model).check_params(params)
        check_features("x", x if hasattr(x, "shape") or is_tree(x) else as_array("x", x), model)
    if not by_kernel(implementation, lambda: slower(model, params, x)):
        return model.apply(params, x)
    model.check_params(params)
    return _fused(model, params, x)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _fused(model: Model, params: Params, x: Array) -> Array:
    # Lowered for another platform, the call would name a kernel that does not exist there.
    return lax.platform_dependent(params, x, cpu=partial(call, model), default=model.apply)


@_fused.defjvp
def _fused_jvp(model: Model, primals: Any, tangents: Any) -> Any:
    return jax.jvp(model.apply, primals, tangents)


def call(
    model: Any,
    params: Params,
    x: Array,
    rows: Array | None = None,
    visited: tuple[Any, Any] | None = None,
    most: int | None = None,
    threads: int = 0,
) -> Array:
    """Logits `[most, out]` of the visited rows of `x` float32 `[n, in]`; zeros beyond their count.

    Args:
      model, params: the network; see `unsupported`.
      x: the table; shared by the members under `vmap`, without a copy, unless it is mapped itself.
      rows: int32 `[k]`, rows of the table; None for all in turn.
      visited: start and count within `rows` (or the table), int32 scalars; None for all.
      most: bound on count; None for all.
      threads: 0 for as many as pay.
    """
    available = x.shape[0] if rows is None else rows.shape[0]
    most = available if most is None else most
    start, count = (0, most) if visited is None else visited
    limits = jnp.stack([jnp.asarray(value).astype(jnp.int32) for value in (start, count)])
    layers = [leaf for layer in params for leaf in (layer.weight, layer.bias) if leaf is not None]
    attributes = attributes_of(model, rows is not None, threads)
    results = (((most, model.sizes[-1]), jnp.dtype("float32")),)
    arguments = [limits, x, *layers, *([] if rows is None else [rows])]
    return kernel_call("jaxbm_apply", attributes, (), results)(*arguments)[0]


def attributes_of(model: Any, is_indexed: bool, threads: int = 0) -> Attributes:
    """What a call is told of a network besides arrays."""
    return (
        ("sizes", model.sizes),
        ("activations", tuple(code("activation", name) for name in model.activations)),
        ("bias", int(model.use_bias)),
        ("indexed", int(is_indexed)),
        ("threads", threads),
    )
