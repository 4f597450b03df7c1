"""Full-batch L-BFGS: SciPy's, over a compiled value and gradient in float64.

Loss, penalty, the limits on iterations and evaluations and the tolerance of the gradient are scikit-learn's: from the
same initial weights it takes the same steps, to rounding. Optax's L-BFGS has another line search and no `max_fun`;
`jaxbm.fit(optimizer=optax.lbfgs(), batch_size=n_rows, ...)` takes that one, for many members as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax import Array

from jaxbm.estimators.networks import Weights
from jaxbm.estimators.rows import block_rows
from jaxbm.estimators.tables import filled
from jaxbm.estimators.targets import Targets
from jaxbm.models.mlp import MLP, Dense
from jaxbm.run.contract import Loss

PREDICTED_ROWS = 4096
"""Rows of which outputs are computed in one call; smaller numbers are filled up, so that few shapes are compiled."""


class Minimum(NamedTuple):
    """Where L-BFGS ended."""

    weights: Weights
    """float64"""
    loss: float
    iterations: int
    converged: bool
    message: str


def minimize(
    model: MLP,
    start: Weights,
    x: Any,
    targets: Targets,
    weight: np.ndarray | None,
    penalty: float,
    *,
    tol: float,
    max_iter: int,
    max_fun: int,
    told: Callable[[int, float], None] | None = None,
) -> Minimum:
    """The weights with the least loss.

    Args:
      model: the network.
      start: its weights.
      x: features `[n, in]`, sparse or dense.
      targets: labels of those rows.
      weight: `[n]`.
      penalty: what the sum of squared weights is multiplied by.
      tol: largest absolute component of the gradient that counts as none.
      max_iter, max_fun: most iterations, and most evaluations of the loss.
      told: called with each iteration's number and loss.

    Source: Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization" (1995).
    """
    sizes = model.sizes
    total = float(x.shape[0] if weight is None else np.sum(weight, dtype=np.float64))
    with jax.enable_x64(True):
        parts = list(_parts(x, targets, weight)) if block_rows(x) is None else None

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            loss, gradient = 0.0, np.zeros_like(flat)
            for part in _parts(x, targets, weight) if parts is None else parts:
                found = _sum_and_gradient(model, targets.kind.loss, flat, *part)
                loss, gradient = loss + float(found[0]), gradient + np.asarray(found[1])
            # The core's losses are means over outputs, what is minimised here is their sum.
            scale = targets.gradient_scale / total
            squares, of_squares = _penalty(flat, sizes)
            return scale * loss + penalty * squares, scale * gradient + penalty * of_squares

        seen = [0]

        def note(intermediate_result: Any) -> None:
            seen[0] += 1
            if told is not None:
                told(seen[0], float(intermediate_result.fun))

        found = scipy.optimize.minimize(
            value, packed(start), method="L-BFGS-B", jac=True, callback=note,
            options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
        )  # fmt: skip
    squares = penalty * _penalty(found.x, sizes)[0]
    loss = (float(found.fun) - squares) * targets.loss_scale / targets.gradient_scale + squares
    iterations = min(int(found.nit), max_iter)
    return Minimum(unpacked(found.x, sizes), loss, iterations, found.status == 0, str(found.message))


def wide_logits(model: MLP, weights: Weights, x: Any) -> np.ndarray:
    """float64 `[M, n, out]`: outputs as exact as the weights, which may have a leading axis of members."""
    size = min(block_rows(x) or PREDICTED_ROWS, PREDICTED_ROWS, max(32, 1 << (x.shape[0] - 1).bit_length()))
    found = []
    with jax.enable_x64(True):
        params = tuple(
            Dense(
                *(
                    jnp.asarray(part).reshape(-1, *part.shape[-rank:])
                    for part, rank in zip(layer, (2, 1), strict=True)
                )
            )
            for layer in weights
        )
        for start in range(0, x.shape[0], size):
            part = x[start : start + size]
            rows = np.asarray(part.toarray() if hasattr(part, "toarray") else part, np.float64)
            filled_up = np.pad(rows, ((0, size - len(rows)), (0, 0)))
            found.append(np.asarray(_apply(model, params, filled_up))[:, : len(rows)])
    return np.concatenate(found, axis=1)


def packed(weights: Weights) -> np.ndarray:
    """Every weight and bias as one float64 vector: layer by layer."""
    return np.concatenate([np.asarray(part, np.float64).ravel() for layer in weights for part in layer])


def unpacked(flat: Any, sizes: tuple[int, ...]) -> Weights:
    """The inverse of `packed`, for NumPy's arrays and JAX's."""
    layers, at = [], 0
    for fan_in, fan_out in pairwise(sizes):
        middle, end = at + fan_in * fan_out, at + (fan_in + 1) * fan_out
        layers.append((flat[at:middle].reshape(fan_in, fan_out), flat[middle:end]))
        at = end
    return layers


def _penalty(flat: np.ndarray, sizes: tuple[int, ...]) -> tuple[float, np.ndarray]:
    gradient = 2 * flat
    for _, bias in unpacked(gradient, sizes):
        bias[:] = 0  # a view
    return float(np.square(gradient / 2).sum()), gradient


def _parts(x: Any, targets: Targets, weight: np.ndarray | None) -> Any:
    """Dense rows, their labels and weights, a block at a time; filled up with rows of weight zero."""
    n, rows = x.shape[0], block_rows(x)
    size = filled(n) if rows is None else rows
    for start in range(0, n, size):
        part = x[start : start + size]
        part = np.asarray(part.toarray() if rows is not None or hasattr(part, "toarray") else part, np.float64)
        labels = targets.labels[start : start + size]
        w = np.ones(len(part)) if weight is None else np.asarray(weight[start : start + size], np.float64)
        labels = labels if labels.dtype.kind == "i" else labels.astype(np.float64)
        arrays = (np.pad(a, [(0, size - len(a)), *[(0, 0)] * (a.ndim - 1)]) for a in (part, labels, w))
        yield tuple(jnp.asarray(a) for a in arrays)


@partial(jax.jit, static_argnums=0)
def _apply(model: MLP, params: Any, x: Array) -> Array:
    return jax.vmap(lambda params: model.apply(params, x))(params)


@partial(jax.jit, static_argnums=(0, 1))
def _sum_and_gradient(model: MLP, loss: Loss, flat: Array, x: Array, y: Array, w: Array) -> tuple[Array, Array]:
    def total(flat: Array) -> Array:
        params = tuple(Dense(weight, bias) for weight, bias in unpacked(flat, model.sizes))  # type: ignore[arg-type]
        logits = model.apply(params, x)
        values = loss(logits[:, 0] if y.ndim == 1 and logits.shape[1] == 1 else logits, y)
        return (w * values.reshape(len(w), -1).mean(axis=1)).sum()

    return jax.value_and_grad(total)(flat)
