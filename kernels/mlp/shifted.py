"""An MLP over rows whose first layer is shifted in many ways, as one call of the compiled CPU kernel."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxbm.kernels.mlp import behind
from jaxbm.models.protocol import Model, Params


def slower(model: Model, *arrays: Any) -> str | None:
    """Why the kernel can't compute, or would be slower at, this network here; None where it is the faster one.

    `arrays`: pytree of features and parameters.
    """
    return behind.slower("jaxbm_shifted", model, *arrays)


def shifted(model: Any, params: Params, base: Array, directions: Array, amounts: Array) -> Array:
    """Logits of `n` rows in each of `k` cases, which differ in the first layer's affine part alone.

    In case `c` row `i` has `act(base[:, i] + sum_f amounts[c, f, i] * directions[c // (k // g), f])` behind its first
    layer, and goes on from there. Where few features change, that is less than the first layer's product.

    Args:
      model, params: the network; see `slower`.
      base: float32 `[units, n]`, the first layer's affine part.
      directions: float32 `[g, features, units]`; `g` divides `k`.
      amounts: float32 `[k, features, n]`, or `[k, features, 1]` for the same in all rows.

    Returns:
      `[k, n, out]`.
    """
    shape = amounts.shape[0], base.shape[1]
    return behind.logits("jaxbm_shifted", model, params, shape, affine, (amounts, directions, base))


def affine(amounts: Array, directions: Array, base: Array) -> Array:
    """The first layer's affine part in each case, `[k, n, units]`, in plain JAX."""
    each = jnp.repeat(directions, amounts.shape[0] // directions.shape[0], axis=0)
    return base.T + jnp.einsum("kfn,kfu->knu", amounts, each)
