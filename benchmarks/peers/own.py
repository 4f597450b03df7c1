"""`fit` with what users write themselves, and the scan that they would write without it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxbm
from jaxbm.benchmarks.ensembles import Groups
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.own import Own
from jaxbm.benchmarks.plain import orders, step_by


def ours(case: Own) -> Job:
    """`jaxbm.fit`, or `fit_members`: with the rows' order, means of the losses, and a check that all is finite."""
    recipe, (x, y) = case.recipe, jax.tree.map(jax.device_put, case.data())
    model = jaxbm.FunctionModel(recipe.init, recipe.apply, recipe.inputs, recipe.outputs)
    options: dict[str, Any] = {
        "loss": recipe.loss, "optimizer": recipe.optimizer, "epochs": case.epochs, "batch_size": case.batch_size,
        "implementation": "program",
    }  # fmt: skip
    if case.members == 1:
        return Job(lambda key: jaxbm.fit(key, model, x, y, **options), jax.random.key)
    return Job(lambda key: jaxbm.fit_members(key, model, x, y, members=case.members, **options), jax.random.key)


def scan(case: Own, *, unroll: int = 1) -> Job:
    """One compiled scan over steps, `vmap` of it over members; orders and parameters are drawn beforehand."""
    recipe, (x, y) = case.recipe, jax.tree.map(jax.device_put, case.data())
    order = jnp.asarray(orders(case.rows, case.batch_size, case.epochs, case.members))

    def objective(params: Any, chosen: jax.Array) -> jax.Array:
        z = recipe.apply(params, x[chosen])
        labels = jax.tree.map(lambda leaf: leaf[chosen], y)
        return recipe.loss(z[:, 0] if recipe.outputs == 1 else z, labels).mean()

    def one(params: Any, order: jax.Array) -> Any:
        step = step_by(recipe.optimizer, objective)
        return jax.lax.scan(step, (params, recipe.optimizer.init(params)), order, unroll=unroll)

    trained: Any = jax.jit(one if case.members == 1 else jax.vmap(one))
    chosen = order[0] if case.members == 1 else order
    init: Any = jax.jit(recipe.init if case.members == 1 else jax.vmap(recipe.init))

    def start(seed: int) -> Any:
        key = jax.random.key(seed)
        return init(key if case.members == 1 else jax.random.split(key, case.members))

    return Job(lambda params: trained(params, chosen), start)


def poisson_groups(case: Groups) -> Job:
    """`jaxbm.fit_groups` with the Poisson deviance."""
    rows, model = _counts(case), jaxbm.MLP(case.sizes)
    options: dict[str, Any] = {"loss": "poisson_deviance", "epochs": case.epochs, "batch_size": case.batch_size}
    return Job(lambda key: jaxbm.fit_groups(key, model, *rows, **options).result, jax.random.key)


def poisson_loop(case: Groups, *, unroll: int = 1) -> Job:
    """A loop over groups of a compiled scan, one program for each number of steps; parameters and orders at hand."""
    x, y, groups = _counts(case)
    model, optimizer, rng = jaxbm.MLP(case.sizes), optax.adam(1e-3), np.random.default_rng(0)

    @jax.jit
    def fit(params: Any, x: jax.Array, y: jax.Array, order: jax.Array) -> Any:
        def objective(params: Any, chosen: jax.Array) -> jax.Array:
            z = model.apply(params, x[chosen])[:, 0]
            return (jnp.exp(z) - y[chosen] * z).mean()

        step = step_by(optimizer, objective)
        return jax.lax.scan(step, (params, optimizer.init(params)), order, unroll=unroll)

    jobs = []
    for k in range(case.members):
        mine = np.flatnonzero(groups == k)
        size = min(case.batch_size, mine.size)
        steps = -(-mine.size // size)
        order = [np.resize(rng.permutation(mine.size), (steps, size)) for _ in range(case.epochs)]
        jobs.append((jnp.asarray(x[mine]), jnp.asarray(y[mine]), jnp.asarray(np.concatenate(order).astype(np.int32))))
    start = jax.jit(lambda seed: jax.vmap(model.init)(jax.random.split(jax.random.key(seed), case.members)))

    def setup(seed: int) -> Any:
        params = start(seed)
        return [jax.tree.map(lambda leaf, k=k: leaf[k], params) for k in range(case.members)]

    return Job(lambda params: [fit(p, *job) for p, job in zip(params, jobs, strict=True)], setup)


def _counts(case: Groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = case.data()
    mean = np.exp(np.clip(rows.x[:, 0], -2, 2))
    return rows.x, np.random.default_rng(2).poisson(mean).astype(np.float32), rows.groups
