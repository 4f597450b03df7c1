"""Passes through a network: forward, forward and backward, and predictions as a user asks for them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxbm
from jaxbm.benchmarks.cases import Operation
from jaxbm.benchmarks.method import Job


def _arrays(case: Operation) -> tuple[jaxbm.MLP, Any, np.ndarray]:
    model = jaxbm.MLP(case.sizes)
    x = np.random.default_rng(0).standard_normal((case.shape[0], case.sizes[0]), np.float32)
    return model, model.init(jax.random.key(0)), x


def forward(case: Operation) -> Job:
    """`MLP.apply`, compiled."""
    model, params, x = _arrays(case)
    on_device, compiled = jnp.asarray(x), jax.jit(model.apply)
    return Job(lambda seed: compiled(params, on_device))


def backward(case: Operation) -> Job:
    """Value and gradient of a binary loss by the parameters, compiled."""
    model, params, x = _arrays(case)
    on_device = jnp.asarray(x)
    y = jnp.asarray((x[:, 0] > 0).astype(np.float32))

    def objective(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return optax.sigmoid_binary_cross_entropy(model.apply(params, x)[:, 0], y).mean()

    compiled = jax.jit(jax.value_and_grad(objective))
    return Job(lambda seed: compiled(params, on_device, y))


def predict(case: Operation) -> Job:
    """`jaxbm.predict`: NumPy rows in, NumPy logits out."""
    model, params, x = _arrays(case)
    return Job(lambda seed: jaxbm.predict(model, params, x))


def apply_rows(case: Operation) -> Job:
    """What a JAX user would write for it: a compiled `apply` on the rows, the result fetched."""
    model, params, x = _arrays(case)
    compiled = jax.jit(model.apply)
    return Job(lambda seed: np.asarray(compiled(params, x)))


def sklearn_predict(case: Operation) -> Job:
    """scikit-learn's `MLPClassifier.predict_proba` for a network of the same widths."""
    from jaxbm.benchmarks.peers.sklearn_mlp import fitted_for_prediction

    _, _, x = _arrays(case)
    estimator = fitted_for_prediction(case.sizes)
    return Job(lambda seed: estimator.predict_proba(x))
