"""What a GPU's user writes without us: one compiled scan over steps, `vmap` of it over members, nothing else.

Adam by hand, orders of rows drawn before the clock starts, no loss recorded but the step's own. Nothing that `fit`
does beside the steps is in it, so that the difference is what that costs.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.plain import orders
from jaxbm.benchmarks.workloads import BINARY, Workload


def job(workload: Workload, *, precision: str | None = None) -> Job:
    """Train all members by one scan; `precision` is that of JAX's matrix products."""
    rows, model, members = jax.tree.map(jax.device_put, workload.data()), workload.model, workload.members
    order = jnp.asarray(orders(workload.rows, workload.batch_size, workload.epochs, members))

    def one(params: Any, order: jax.Array) -> Any:
        return _train(workload, rows, params, order)

    @jax.jit
    def trained(params: Any, order: jax.Array) -> Any:
        with jax.default_matmul_precision(precision or "default"):
            if members > 1:
                return jax.vmap(one)(params, order)
            return one(jax.tree.map(lambda leaf: leaf[0], params), order[0])

    initial = jax.jit(lambda seed: jax.vmap(model.init)(jax.random.split(jax.random.key(seed), members)))
    return Job(lambda params: trained(params, order), initial, _curves(workload))


def _train(workload: Workload, rows: Any, params: Any, order: jax.Array) -> Any:
    def objective(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        for layer in params[:-1]:
            x = jax.nn.relu(x @ layer.weight + layer.bias)
        logits = x @ params[-1].weight + params[-1].bias
        if workload.loss == BINARY:
            z = logits[:, 0]
            return (jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()
        picked = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
        return (jax.nn.logsumexp(logits, axis=1) - picked).mean()

    def step(carry: Any, chosen: jax.Array) -> Any:
        params, mu, nu, t = carry
        loss, grads = jax.value_and_grad(objective)(params, rows.x[chosen], rows.y[chosen])
        t = t + 1
        mu = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mu, grads)
        nu = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, nu, grads)
        params = jax.tree.map(
            lambda p, m, v: p - workload.learning_rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8),
            params,
            mu,
            nu,
        )
        return (params, mu, nu, t), loss

    zeros = jax.tree.map(jnp.zeros_like, params)
    start: Any = (params, zeros, zeros, jnp.float32(0))
    (params, *_), losses = jax.lax.scan(step, start, order)
    return params, losses


def _curves(workload: Workload) -> Any:
    def curves(output: Any) -> dict[str, Any]:
        losses = np.asarray(output[1]).reshape(-1, workload.epochs, workload.steps_per_epoch)
        return {"loss": losses.mean(axis=(0, 2))}

    return curves
