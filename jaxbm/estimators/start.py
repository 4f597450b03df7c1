"""Where training starts: initial weights as scikit-learn draws them, and the seeds of members."""

from __future__ import annotations

from itertools import pairwise

import jax
import numpy as np

from jaxbm.estimators.networks import Weights
from jaxbm.models.mlp import MLP

SEEDS = 2**31 - 1


def first_weights(rng: np.random.RandomState, sizes: tuple[int, ...], activation: str, weight_init: str) -> Weights:
    """Weights and biases of every layer.

    Args:
      rng: drawn from.
      sizes: widths from input to output.
      activation: of the hidden layers; a sigmoid's start is narrower.
      weight_init: "auto" for scikit-learn's draws, the same numbers from the same state: uniform between
        `-b` and `b`, biases too, `b = sqrt(6 / (fan_in + fan_out))`, for a sigmoid `sqrt(2 / (fan_in + fan_out))`.
        Otherwise one of `jaxbm.MLP`'s, with biases of zero.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
    """
    if weight_init != "auto":
        key = jax.random.key(int(rng.randint(SEEDS)))
        params = MLP(sizes, weight_init=weight_init).init(key)
        return [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in params]
    layers, factor = [], 2.0 if activation == "sigmoid" else 6.0
    for fan_in, fan_out in pairwise(sizes):
        bound = np.sqrt(factor / (fan_in + fan_out))
        weight = rng.uniform(-bound, bound, (fan_in, fan_out))
        layers.append((weight, rng.uniform(-bound, bound, fan_out)))
    return layers


def member_seeds(rng: np.random.RandomState, members: int) -> list[int]:
    """A seed for each member's row order, dropout and bootstrap; the first doesn't depend on their number."""
    return [int(rng.randint(SEEDS)) for _ in range(members)]
