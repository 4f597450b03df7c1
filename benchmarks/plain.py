"""Plain JAX that several contests train: layers, a loss of one's own, a step by Optax."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

Step = Callable[[Any, Any], tuple[Any, Array]]


def drawn(key: Array, sizes: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """Weights and biases of layers of these widths: Glorot normal, and zeros."""
    keys, pairs = jax.random.split(key, len(sizes) - 1), list(itertools.pairwise(sizes))
    return [
        (jax.random.normal(k, p) * (2 / sum(p)) ** 0.5, jnp.zeros(p[1])) for k, p in zip(keys, pairs, strict=True)
    ]


def layers(params: Any, x: Array, between: Callable[[Array], Array] = jax.nn.relu) -> Array:
    """A pass through them, with a function between."""
    for w, b in params[:-1]:
        x = between(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def pinball(predictions: Array, labels: Array) -> Array:
    """The loss of the quantile 0.9, written by hand."""
    error = labels - predictions
    return jnp.maximum(0.9 * error, -0.1 * error)


def step_by(optimizer: optax.GradientTransformation, objective: Callable[..., Array]) -> Step:
    """A step of training: `((params, state), batch) -> ((params, state), loss)`, as `lax.scan` takes it.

    Args:
      optimizer: whose `update` is asked.
      objective: of parameters and a batch.
    """

    def step(carry: Any, batch: Any) -> tuple[Any, Array]:
        params, state = carry
        loss, gradient = jax.value_and_grad(objective)(params, batch)
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), loss

    return step


def orders(rows: int, batch_size: int, epochs: int, members: int) -> np.ndarray:
    """Rows of each step of each member, int32 `[members, steps, batch_size]`, shuffled anew for each epoch.

    Members share `ORDERS` different ones: drawing more on the host would take longer than training.
    """
    rng, used = np.random.default_rng(0), rows // batch_size * batch_size
    several = [
        np.concatenate([rng.permutation(rows)[:used] for _ in range(epochs)]) for _ in range(min(members, ORDERS))
    ]
    return np.resize(np.stack(several), (members, epochs * used)).astype(np.int32).reshape(members, -1, batch_size)


ORDERS = 8
