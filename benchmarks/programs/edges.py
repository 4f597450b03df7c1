"""Programs of which native code gains little: loops bound by one operation, single calls of larger arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.benchmarks.programs.workload import Program


def _numbers(*shape: int) -> Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def _chain(steps: int, unroll: int, function: Callable[[Array], Array]) -> Program:
    """One scalar, each step of which waits for the step before."""

    def run(x: Array) -> Array:
        return lax.scan(lambda x, _: (function(x), None), x, length=steps, unroll=unroll)[0]

    return Program(run, (jnp.float32(0.5),))


def tanh(steps: int, unroll: int) -> Program:
    return _chain(steps, unroll, lambda x: jnp.tanh(x) + 0.5)


def erf(steps: int, unroll: int) -> Program:
    return _chain(steps, unroll, lambda x: jax.scipy.special.erf(x) + 0.5)


def log1p(steps: int, unroll: int) -> Program:
    return _chain(steps, unroll, lambda x: jnp.log1p(x) + 0.5)


def power(steps: int, unroll: int) -> Program:
    return _chain(steps, unroll, lambda x: x**0.3 + 0.5)


def cube_root(steps: int, unroll: int) -> Program:
    return _chain(steps, unroll, lambda x: jnp.cbrt(x) + 0.5)


def _runge_kutta(field: Callable[[Any], Any], x: Any, h: float) -> Any:
    def along(x: Any, k: Any, h: float) -> Any:
        return jax.tree.map(lambda x, k: x + h * k, x, k)

    a = field(x)
    b = field(along(x, a, h / 2))
    c = field(along(x, b, h / 2))
    d = field(along(x, c, h))
    return jax.tree.map(lambda x, a, b, c, d: x + h / 6 * (a + 2 * b + 2 * c + d), x, a, b, c, d)


def pendulum(steps: int, unroll: int) -> Program:
    """Its state is an array of two numbers."""

    def run(x: Array) -> Array:
        def step(x: Array, _: None) -> tuple[Array, None]:
            return _runge_kutta(lambda x: jnp.stack([x[1], -9.8 * jnp.sin(x[0])]), x, 0.01), None

        return lax.scan(step, x, length=steps, unroll=unroll)[0]

    return Program(run, (jnp.array([0.5, 0.0]),))


def pendulum_of_scalars(steps: int, unroll: int) -> Program:
    """The same, its state a tuple."""

    def run(x: tuple[Array, Array]) -> Any:
        def step(x: Any, _: None) -> tuple[Any, None]:
            return _runge_kutta(lambda x: (x[1], -9.8 * jnp.sin(x[0])), x, 0.01), None

        return lax.scan(step, x, length=steps, unroll=unroll)[0]

    return Program(run, ((jnp.float32(0.5), jnp.float32(0.0)),))


def v_trace(steps: int, unroll: int) -> Program:
    """The recurrence of Espeholt and others, "IMPALA" (2018), over one trajectory."""

    def run(rewards: Array, values: Array, ratios: Array) -> Array:
        clipped = jnp.minimum(1.0, ratios)
        after = jnp.append(values[1:], 0.0)
        deltas = clipped * (rewards + 0.99 * after - values)

        def step(total: Array, x: tuple[Array, Array]) -> tuple[Array, Array]:
            total = x[0] + 0.99 * x[1] * total
            return total, total

        return lax.scan(step, jnp.float32(0), (deltas, clipped), reverse=True, unroll=unroll)[1] + values

    return Program(run, (_numbers(steps), _numbers(steps), jnp.exp(_numbers(steps))))


def largest(steps: int, unroll: int) -> Program:
    """The ten largest of ten thousand numbers."""
    del steps, unroll
    return Program(lambda x: lax.top_k(x, 10), (_numbers(10_000),))


def largest_of_rows(steps: int, unroll: int) -> Program:
    """The five largest of each of 200 rows of 100."""
    del steps, unroll
    return Program(lambda x: lax.top_k(x, 5), (_numbers(200, 100),))


def places(steps: int, unroll: int) -> Program:
    """Where the largest of each of 6,000 rows of 50 stands."""
    del steps, unroll
    return Program(lambda x: jnp.argmax(x, axis=1), (_numbers(6_000, 50),))


def layers(steps: int, unroll: int) -> Program:
    """Layers of 96 units with a batch of 96 rows."""
    weights = _numbers(steps, 96, 96) / 96**0.5

    def run(x: Array, weights: Array) -> Array:
        return lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, weights, unroll=unroll)[0]

    return Program(run, (_numbers(96, 96), weights))
