"""Statistics: a filter, a Gaussian process in linear time, samplers, a network of scalars."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.benchmarks.programs.workload import Program


def kalman(steps: int, unroll: int) -> Program:
    """A Kalman filter with four states and two observations: means and log-likelihoods."""
    transition, seen = jnp.eye(4) + 0.1 * jnp.eye(4, k=2), jnp.eye(2, 4)
    drift, noise = 0.01 * jnp.eye(4), 0.1 * jnp.eye(2)

    def step(carry: tuple[Array, Array], z: Array) -> Any:
        mean, cov = carry
        mean, cov = transition @ mean, transition @ cov @ transition.T + drift
        s = seen @ cov @ seen.T + noise
        determinant = s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0]
        inverse = jnp.array([[s[1, 1], -s[0, 1]], [-s[1, 0], s[0, 0]]]) / determinant
        gain, error = cov @ seen.T @ inverse, z - seen @ mean
        mean, cov = mean + gain @ error, cov - gain @ seen @ cov
        return (mean, cov), (mean, -0.5 * (error @ inverse @ error + jnp.log(determinant)))

    def function(observed: Array) -> Any:
        return lax.scan(step, (jnp.zeros(4), jnp.eye(4)), observed, unroll=unroll)[1]

    return Program(function, (jnp.asarray(np.random.default_rng(1).normal(size=(steps, 2)), jnp.float32),))


def gaussian_process(steps: int, unroll: int) -> Program:
    """Factors of a quasi-separable covariance of rank three, log-determinant and gradient, in float64."""
    q, p = jnp.array([1.0, 0.5, 0.25]), jnp.array([1.0, -0.3, 0.1])

    def objective(gaps: Array, diagonal: Array) -> Array:
        def step(f: Array, x: tuple[Array, Array]) -> tuple[Array, Array]:
            gap, d = x
            a = jnp.exp(-gap)
            move = jnp.array([[a, gap * a, 0.5 * gap * gap * a], [0.0, a, gap * a], [0.0, 0.0, a]])
            c = jnp.sqrt(d - p @ f @ p)
            w = (q - p @ f) / c
            return move @ (f + jnp.outer(w, w)) @ move.T * 0.5, c

        return jnp.log(lax.scan(step, jnp.zeros((3, 3)), (gaps, diagonal), unroll=unroll)[1]).sum()

    rng = np.random.default_rng(0)
    arguments = jnp.asarray(rng.uniform(0.1, 0.5, steps)), jnp.asarray(3 + rng.uniform(0, 1, steps))
    return Program(jax.value_and_grad(objective, (0, 1)), arguments)


def scalars(steps: int, unroll: int) -> Program:
    """Sixty numbers in a dict that predict their neighbours: the gradient by their sixty weights."""
    names = [f"unit{k}" for k in range(60)]

    def loss(weights: dict[str, Array], inputs: Array) -> Array:
        def step(state: dict[str, Array], x: Array) -> tuple[dict[str, Array], Array]:
            new = {}
            for k, name in enumerate(names):
                left, right = state[names[k - 1]], state[names[(k + 1) % 60]]
                error = state[name] - jnp.tanh(weights[name] * left + 0.3 * right)
                new[name] = state[name] - 0.1 * error + 0.02 * x * jnp.where(error > 0, error, 0.5 * error)
            return new, sum(new.values())  # type: ignore[return-value]

        state, sums = lax.scan(step, {k: 0.1 * v for k, v in weights.items()}, inputs, unroll=unroll)
        return jnp.square(sums).mean() + sum(v * v for v in state.values())

    rng = np.random.default_rng(0)
    weights = {name: jnp.asarray(rng.normal(), jnp.float32) for name in names}
    return Program(jax.grad(loss), (weights, jnp.asarray(rng.normal(size=steps), jnp.float32)))


def _log_density() -> Any:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 5)).astype(np.float32)
    y = jnp.asarray(rows @ rng.normal(size=5) + 0.5 * rng.normal(size=200) > 0, jnp.float32)
    x = jnp.asarray(rows)

    def log_density(w: Array) -> Array:
        z = x @ w
        return -0.5 * jnp.square(w).sum() + (y * jax.nn.log_sigmoid(z) + (1 - y) * jax.nn.log_sigmoid(-z)).sum()

    return log_density


def _chain(step: Any, steps: int, unroll: int) -> Program:
    density = jax.value_and_grad(_log_density())

    def function(key: Array) -> Array:
        start = jnp.zeros(5)
        keys = jax.random.split(key, steps)
        begun = (start, *density(start))
        return lax.scan(lambda c, k: step(density, c, k), begun, keys, unroll=unroll)[1]

    return Program(function, (jax.random.key(1),))


def mala(steps: int, unroll: int) -> Program:
    """The Metropolis-adjusted Langevin algorithm on a logistic regression of 200 rows."""
    size = 0.01

    def backward(gradient: Array, apart: Array) -> Array:
        return -0.25 / size * jnp.square(apart - size * gradient).sum()

    def step(density: Any, carry: Any, key: Array) -> Any:
        x, value, gradient = carry
        k1, k2 = jax.random.split(key)
        new = x + size * gradient + jnp.sqrt(2 * size) * jax.random.normal(k1, x.shape)
        new_value, new_gradient = density(new)
        ratio = new_value - value + backward(new_gradient, x - new) - backward(gradient, new - x)
        taken = jnp.log(jax.random.uniform(k2)) < ratio
        chosen = jax.tree.map(lambda a, b: jnp.where(taken, a, b), (new, new_value, new_gradient), carry)
        return chosen, chosen[0]

    return _chain(step, steps, unroll)


def hmc(steps: int, unroll: int) -> Program:
    """Hamiltonian Monte Carlo with ten leapfrog steps on the same regression."""
    size, leaps = 0.05, 10

    def step(density: Any, carry: Any, key: Array) -> Any:
        x, value, gradient = carry
        k1, k2 = jax.random.split(key)
        momentum = jax.random.normal(k1, x.shape)

        def leap(_: Any, at: Any) -> Any:
            x, p, g, v = at
            p = p + 0.5 * size * g
            x = x + size * p
            v, g = density(x)
            return x, p + 0.5 * size * g, g, v

        new, p, new_gradient, new_value = lax.fori_loop(0, leaps, leap, (x, momentum, gradient, value))
        ratio = new_value - value + 0.5 * (jnp.square(momentum).sum() - jnp.square(p).sum())
        taken = jnp.log(jax.random.uniform(k2)) < ratio
        chosen = jax.tree.map(lambda a, b: jnp.where(taken, a, b), (new, new_value, new_gradient), carry)
        return chosen, chosen[0]

    return _chain(step, steps, unroll)
