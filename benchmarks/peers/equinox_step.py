"""Equinox with Optax: `filter_jit` around a step, as in its documentation."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import optax

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.loops import loop_job
from jaxbm.benchmarks.workloads import Workload


class Network(eqx.Module):
    """Linear layers with relu between them; parameters as our model draws them."""

    layers: list[eqx.nn.Linear]

    def __init__(self, workload: Workload, key: jax.Array):
        params = workload.model.init(key)
        self.layers = []
        for layer in params:
            linear = eqx.nn.Linear(*layer.weight.shape, key=key)
            self.layers.append(eqx.tree_at(lambda l: (l.weight, l.bias), linear, (layer.weight.T, layer.bias)))

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


def job(workload: Workload) -> Job:
    """Train an `eqx.Module`."""
    optimizer = optax.adam(workload.learning_rate)

    def objective(model: Network, x: jax.Array, y: jax.Array) -> jax.Array:
        return workload.mean_loss(jax.vmap(model)(x), y)

    @eqx.filter_jit(donate="all-except-first")
    def compiled(data: Any, state: Any) -> Any:
        model, opt_state = state
        loss, grads = eqx.filter_value_and_grad(objective)(model, *data)
        updates, opt_state = optimizer.update(grads, opt_state, model)
        return (eqx.apply_updates(model, updates), opt_state), loss

    @eqx.filter_jit
    def start(key: jax.Array) -> Any:
        model = Network(workload, key)
        return model, optimizer.init(eqx.filter(model, eqx.is_array))

    validate = eqx.filter_jit(lambda state, x, y: objective(state[0], x, y))
    return loop_job(workload, start, lambda state, x, y: compiled((x, y), state), validate)
