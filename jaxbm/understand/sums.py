"""Rows in which some features are replaced: the first layer is a sum of what stays and of what is put there.

So its product is computed once for each row and once for each value, not for each pair of them. Where an activation
goes by an exponential, so is that: `exp(a + b)` is a product of two numbers that are known already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm import kernels
from jaxbm.kernels.mlp import shifted
from jaxbm.kernels.mlp.behind import behind
from jaxbm.models.activations import activation
from jaxbm.models.dense import affine
from jaxbm.models.mlp import MLP
from jaxbm.understand.predictor import Kind, Numbers, logits_of, told

BLOCK_UNITS = 1 << 18
"""Hidden units that are kept at once."""
BLOCK_OUTPUTS = 1 << 14
"""Running sums that are kept at once: what stays in a core's cache."""
BLOCK_LOGITS = 1 << 18
"""Logits that the compiled kernel gives at once."""
MOST_VALUES = 1 << 7
"""Values that are put into a block of rows at once."""
FEW = 2
"""Outputs of the second layer up to which it is a running sum over units, which are kept nowhere then."""
LARGEST = 40.0
"""Exponents up to which the product of two exponentials neither overflows nor loses digits."""

#: By name: how many times its argument an activation takes the exponential of; and itself, of both.
EXPONENTIAL: dict[str, tuple[float, Callable[[Array, Array], Array]]] = {
    "sigmoid": (-1.0, lambda z, e: 1 / (1 + e)),
    "tanh": (2.0, lambda z, e: 1 - 2 / (1 + e)),
    "silu": (-1.0, lambda z, e: z / (1 + e)),
    "swish": (-1.0, lambda z, e: z / (1 + e)),
    "elu": (1.0, lambda z, e: jnp.where(z > 0, z, e - 1)),
    "celu": (1.0, lambda z, e: jnp.where(z > 0, z, e - 1)),
}

#: By name: what an activation asks for that the compiled kernel computes in less time than XLA does.
COSTLY = {"gelu": "an error function", "gelu_tanh": "a tanh of a cube", "softplus": "a logarithm"}


class Sums(NamedTuple):
    """What is put into features: `middle + offsets[k]`."""

    middle: Array | np.ndarray
    """`[in]`; zero where features are not replaced"""
    offsets: Array | np.ndarray
    """`[k, in]`, from the middle, so that no large and opposite parts are added up"""


def sums_of(lines: np.ndarray, mask: np.ndarray) -> Sums:
    """The features `lines` `[k, in]` where `mask`, as offsets from what lies between them."""
    chosen = np.where(mask, lines, 0)
    middle = ((chosen.min(axis=0).astype(np.float64) + chosen.max(axis=0)) / 2).astype(chosen.dtype)
    return Sums(middle, chosen - middle)


def slower(kind: Kind, numbers: Numbers, x: np.ndarray) -> str | None:
    """Why a network is not asked this way; None where it is."""
    if type(kind.model) is not MLP or len(kind.model.sizes) < 3:
        return "it is no MLP with hidden layers"
    if kind.model.dtype is not None or any(leaf.dtype != x.dtype for leaf in jax.tree.leaves(numbers.params)):
        return "it computes in another dtype than its features have"
    first = kind.model.activations[0]
    if not isinstance(first, str):
        return "a function of one's own may go by several units"
    if first in COSTLY and not _by_kernel(kind.model, numbers.params):
        return f"{first} takes {COSTLY[first]}, which costs more here"
    return None


def rows_of(kind: Kind, numbers: Numbers, values: int) -> int:
    """How many rows go into a block with so many values."""
    members = jax.tree.leaves(numbers.params)[0].shape[0] if kind.is_ensemble else 1
    if _by_kernel(kind.model, numbers.params):
        return max(1, BLOCK_LOGITS // (members * values * kind.model.n_outputs))
    second, most = kind.model.sizes[2], max(kind.model.sizes[1:])
    kept = BLOCK_OUTPUTS // second if second <= FEW else BLOCK_UNITS // most
    return max(1, kept // (members * values))


def _by_kernel(model: MLP, params: Any) -> bool:
    """Whether the compiled kernel computes what comes behind a sum. A running sum over units, whose exponential is a
    product, costs less: it has no products to do."""
    few = model.sizes[2] <= FEW and model.activations[0] not in COSTLY
    return not few and shifted.slower(model, params) is None


def outputs_of_sums(kind: Kind, numbers: Numbers, x: Array, mask: Array, sums: Sums) -> Array:
    """`[k, n, out]`: `outputs` of `x` `[n, in]` with the masked features replaced by each of the sums."""

    def raw(params: Any) -> Array:
        first = params[0]
        base, offsets = affine(first, jnp.where(mask, sums.middle, x)), sums.offsets @ first.weight
        return _behind(kind.model, params, base, offsets).reshape(-1, kind.model.n_outputs)

    many = jax.vmap(raw)(numbers.params) if kind.is_ensemble else raw(numbers.params)
    found = told(kind, numbers, logits_of(kind, numbers, many))
    return found.reshape(sums.offsets.shape[0], x.shape[0], -1)


def _behind(model: MLP, params: Any, base: Array, offsets: Array) -> Array:
    """`[k, n, out]`: the network's outputs, where its first layer's affine part is `base[i] + offsets[j]`."""
    if _by_kernel(model, params):
        once = jnp.ones((len(offsets), 1, 1), base.dtype)
        return shifted.shifted(model, params, base.T, offsets[:, None], once)
    name = model.activations[0]

    def plain(a: Array, b: Array) -> Array:
        return _hidden_then(model, params, lambda z, _: activation(name)(z), (a, b))

    if name not in EXPONENTIAL:
        return plain(base, offsets)
    times, of = EXPONENTIAL[name]

    def quick(a: Array, b: Array) -> Array:
        return _hidden_then(model, params, of, (a, b), (jnp.exp(times * a), jnp.exp(times * b)))

    small = (jnp.abs(times * base).max() <= LARGEST) & (jnp.abs(times * offsets).max() <= LARGEST)
    return lax.cond(small, quick, plain, base, offsets)


def _hidden_then(
    model: MLP, params: Any, act: Callable[..., Array], parts: tuple[Array, Array], powers: tuple[Array, ...] = ()
) -> Array:
    """`[k, n, out]`: what the layers behind the first make of `act(a + b, a' * b')` of the parts and their powers."""
    (a, b), weight = parts, params[1].weight
    if weight.shape[1] > FEW:
        hidden = act(a + b[:, None], powers[0] * powers[1][:, None] if powers else None)
        flat = kernels.apply(behind(model), params[1:], hidden.reshape(-1, hidden.shape[-1]))
        return flat.reshape(*hidden.shape[:-1], -1)

    def units_first(pair: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(part.T for part in pair)

    def of_unit(unit: Any) -> Array:
        (z, step), e = unit
        return act(step[:, None] + z, e[1][:, None] * e[0] if e else None)

    # Rows last: there are many of them in any case.
    units = (units_first(parts), units_first(powers))
    return unit_by_unit(model, params, (b.shape[0], a.shape[0]), units, of_unit)


def unit_by_unit(
    model: MLP, params: Any, shape: tuple[int, ...], units: Any, of_unit: Callable[[Any], Array]
) -> Array:
    """`[*shape, out]`: what the layers behind the first make of its units, of which none is kept.

    Args:
      model, params: the network.
      shape: of a unit's values.
      units: pytree with a leading axis of units.
      of_unit: from a unit's part of it to its values.
    """

    def step(sums: tuple[Array, ...], unit: Any) -> tuple[tuple[Array, ...], None]:
        hidden, weight = of_unit(unit[0]), unit[1]
        return tuple(s + hidden * weight[o] for o, s in enumerate(sums)), None

    weight = params[1].weight
    sums, _ = lax.scan(step, (jnp.zeros(shape, weight.dtype),) * weight.shape[1], (units, weight))
    hidden = jnp.stack(sums, axis=-1)
    hidden = hidden if params[1].bias is None else hidden + params[1].bias
    for layer, name in zip((None, *params[2:]), (*model.activations[1:], model.output_activation), strict=True):
        hidden = activation(name)(hidden if layer is None else affine(layer, hidden))
    return hidden
