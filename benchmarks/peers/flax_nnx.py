"""Flax NNX with Optax: `nnx.jit` around a step, as in its documentation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import optax
from flax import nnx

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.loops import loop_job
from jaxbm.benchmarks.workloads import Workload


class Network(nnx.Module):
    """Linear layers with relu between them."""

    def __init__(self, sizes: tuple[int, ...], rngs: nnx.Rngs):
        init = nnx.initializers.glorot_uniform()
        layers = [nnx.Linear(a, b, kernel_init=init, rngs=rngs) for a, b in pairwise(sizes)]
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


def job(workload: Workload) -> Job:
    """Train an `nnx.Module`; `nnx.cached_partial` spares it most of the traversal of its graph at each step."""

    def objective(model: Network, x: jax.Array, y: jax.Array) -> jax.Array:
        return workload.mean_loss(model(x), y)

    @nnx.jit
    def compiled(model: Network, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array) -> jax.Array:
        loss, grads = nnx.value_and_grad(objective)(model, x, y)
        optimizer.update(model, grads)
        return loss

    def fresh(key: jax.Array) -> Any:
        model = Network(workload.sizes, nnx.Rngs(key))
        return model, nnx.Optimizer(model, optax.adam(workload.learning_rate), wrt=nnx.Param)

    # One model for all rounds, its values replaced: a cached graph belongs to the objects it was made of.
    model, optimizer = fresh(jax.random.key(0))
    cached = nnx.cached_partial(compiled, model, optimizer)

    def start(key: jax.Array) -> Any:
        for ours, new in zip((model, optimizer), fresh(key), strict=True):
            nnx.update(ours, nnx.state(new))
        return model, cached

    def step(state: Any, x: Any, y: Any) -> Any:
        return state, state[1](x, y)

    validate = nnx.jit(objective)
    return loop_job(workload, start, step, lambda state, x, y: validate(state[0], x, y))
