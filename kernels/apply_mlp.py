"""`MLP.apply` over many rows as one call of the compiled CPU kernel."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxbm.kernels.calls import ACTIVATIONS, kernel_call

from jaxbm.mlp import MLP, Params

MAX_LAYERS = 32


def unsupported(model: MLP) -> str | None:
    """Why the kernel does not compute this network; None where it does."""
    if not isinstance(model, MLP):
        return f"the kernel knows jaxbm.MLP only, not {type(model).__name__}"
    if len(model.sizes) - 1 > MAX_LAYERS:
        return f"the kernel takes at most {MAX_LAYERS} layers"
    if model.output_activation != "identity":
        return f"the kernel gives logits, not output_activation={model.output_activation!r}"
    if model.param_dtype != "float32" or model.dtype not in (None, "float32"):
        return "the kernel computes in float32"
    return None


def call(
    model: MLP,
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
    attributes = (
        ("sizes", model.sizes),
        ("activations", tuple(ACTIVATIONS.index(name) for name in model.activations)),
        ("bias", int(model.use_bias)),
        ("indexed", int(rows is not None)),
        ("threads", threads),
    )
    results = (((most, model.sizes[-1]), jnp.dtype("float32")),)
    arguments = [limits, x, *layers, *([] if rows is None else [rows])]
    return kernel_call("jaxbm_apply", attributes, 0, results)(*arguments)[0]
