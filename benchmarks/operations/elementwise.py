"""Losses and the permutation: compiled, on arrays that are on the device already."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxbm
from jaxbm.benchmarks.cases import Operation
from jaxbm.benchmarks.method import Job


def loss(case: Operation, *, library: str) -> Job:
    """Value and gradient of a mean loss, by jaxbm or Optax."""
    function = getattr(jaxbm.losses if library == "jaxbm" else optax, case.name)
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.standard_normal(case.shape, np.float32))
    if case.name.endswith("integer_labels"):
        labels = jnp.asarray(rng.integers(0, case.shape[-1], case.shape[:-1]))
    else:
        labels = jnp.asarray((rng.random(case.shape) < 0.5).astype(np.float32))
    compiled = jax.jit(jax.value_and_grad(lambda logits, labels: function(logits, labels).mean()))
    return Job(lambda seed: compiled(logits, labels))


def permutation(case: Operation, *, library: str) -> Job:
    """A random order of n rows, by jaxbm or `jax.random`."""
    function = jaxbm.shuffle.permutation if library == "jaxbm" else jax.random.permutation
    n = case.shape[0]
    return Job(jax.jit(lambda key: function(key, n)), jax.random.key)
