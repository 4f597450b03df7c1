"""Learning: an environment and its policy, training steps with Optax, proximal policies, a recurrent network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from jaxbm.benchmarks.plain import layers, pinball, step_by
from jaxbm.benchmarks.programs.workload import Program


def _weights(rng: np.random.Generator, sizes: tuple[int, ...]) -> list[tuple[Array, Array]]:
    pairs = itertools.pairwise(sizes)
    return [(jnp.asarray(rng.normal(size=p) * (2 / sum(p)) ** 0.5, jnp.float32), jnp.zeros(p[1])) for p in pairs]


def _cart_pole(state: Array, push: Array) -> tuple[Array, Array]:
    """One step of 0.02 s, and whether it is over (Barto, Sutton and Anderson, 1983)."""
    _, speed, angle, turning = state
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    pulled = (jnp.where(push, 10.0, -10.0) + 0.05 * turning * turning * sin) / 1.1
    twist = (9.8 * sin - cos * pulled) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1))
    thrust = pulled - 0.05 * twist * cos / 1.1
    new = state + 0.02 * jnp.stack([speed, thrust, turning, twist])
    return new, (jnp.abs(new[0]) > 2.4) | (jnp.abs(new[2]) > 0.2095)


def _rollout(environments: int, steps: int, unroll: int) -> Program:
    (w1, b1), (w2, b2) = _weights(np.random.default_rng(0), (4, 32, 2))

    def one(key: Array, state: Array) -> tuple[Array, Array]:
        k1, k2 = jax.random.split(key)
        push = jax.random.categorical(k1, jnp.tanh(state @ w1 + b1) @ w2 + b2) == 1
        new, over = _cart_pole(state, push)
        return jnp.where(over, jax.random.uniform(k2, (4,), minval=-0.05, maxval=0.05), new), over

    def function(key: Array) -> Any:
        keys = jax.random.split(key, (steps, environments))
        move = one if environments == 1 else jax.vmap(one)

        def step(state: Array, k: Array) -> tuple[Array, tuple[Array, Array]]:
            new, over = move(k[0] if environments == 1 else k, state)
            return new, (new, over)

        start = jnp.zeros((4,) if environments == 1 else (environments, 4))
        return lax.scan(step, start, keys, unroll=unroll)[1]

    return Program(function, (jax.random.key(0),))


def cart_pole(steps: int, unroll: int) -> Program:
    """A policy of 32 units in one environment that resets itself."""
    return _rollout(1, steps, unroll)


def cart_poles(steps: int, unroll: int) -> Program:
    """The same in 64 environments at once."""
    return _rollout(64, steps, unroll)


def _normal_relu(x: Array) -> Array:
    """Relu after LayerNorm without scale and offset."""
    return jax.nn.relu((x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5))


Loss = Callable[[Array, Array], Array]


def _training(
    optimizer: optax.GradientTransformation, loss: Loss, between: Callable[[Array], Array], steps: int, unroll: int
) -> Program:
    rng, rows = np.random.default_rng(0), 16_000
    x = rng.normal(size=(rows, 20)).astype(np.float32)
    y = (x @ rng.normal(size=20) + 0.3 * rng.normal(size=rows) > 0).astype(np.float32)
    epochs = -(-steps * 32 // rows)
    order = np.concatenate([rng.permutation(rows) for _ in range(epochs)])[: steps * 32].reshape(steps, 32)

    def function(params: Any, x: Array, y: Array, order: Array) -> Any:
        def objective(params: Any, chosen: Array) -> Array:
            return loss(layers(params, x[chosen], between)[:, 0], y[chosen]).mean()

        step = step_by(optimizer, objective)
        (params, _), values = lax.scan(step, (params, optimizer.init(params)), order, unroll=unroll)
        # The mean of each eighth: in the end, training runs differ in their last bits anyhow.
        return values[: steps // 8 * 8].reshape(8, -1).mean(1), params

    arguments = (jnp.asarray(a) for a in (x, y, order.astype(np.int32)))
    return Program(function, (_weights(rng, (20, 64, 32, 1)), *arguments))


def mlp(steps: int, unroll: int) -> Program:
    """20-64-32-1 with `optax.adam`, batches of 32."""
    return _training(optax.adam(1e-3), optax.sigmoid_binary_cross_entropy, jax.nn.relu, steps, unroll)


def mlp_layer_norm(steps: int, unroll: int) -> Program:
    """The same with LayerNorm."""
    return _training(optax.adam(1e-3), optax.sigmoid_binary_cross_entropy, _normal_relu, steps, unroll)


def mlp_quantile(steps: int, unroll: int) -> Program:
    """The same with a pinball loss, clipped gradients and AdamW."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
    return _training(optimizer, pinball, jax.nn.relu, steps, unroll)


def ppo(updates: int, unroll: int) -> Program:
    """Proximal policy optimization: ten epochs over 2,048 steps in batches of 128, two layers of 64 tanh units."""
    rng, rows, batch = np.random.default_rng(0), 2_048, 128
    seen = jnp.asarray(rng.normal(size=(rows, 6)), jnp.float32)
    actions = jnp.asarray(rng.integers(0, 3, rows), jnp.int32)
    advantages, returns = (jnp.asarray(rng.normal(size=rows), jnp.float32) for _ in range(2))
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(2.5e-4, eps=1e-5))

    def loss(params: Any, chosen: Array) -> Array:
        x = seen[chosen]
        for w, b in params["body"]:
            x = jnp.tanh(x @ w + b)
        (wp, bp), (wv, bv) = params["heads"]
        logs, value = jax.nn.log_softmax(x @ wp + bp), (x @ wv + bv)[:, 0]
        log_prob = jnp.take_along_axis(logs, actions[chosen][:, None], 1)[:, 0]
        ratio, a = jnp.exp(log_prob + 1.1), advantages[chosen]
        a = (a - a.mean()) / (a.std() + 1e-8)
        clipped = jnp.minimum(ratio * a, jnp.clip(ratio, 0.8, 1.2) * a).mean()
        entropy = -(jnp.exp(logs) * logs).sum(-1).mean()
        return -clipped + 0.5 * jnp.square(value - returns[chosen]).mean() - 0.01 * entropy

    def function(key: Array, params: Any) -> Any:
        step = step_by(optimizer, loss)

        def epoch(carry: Any, key: Array) -> Any:
            order = jax.random.permutation(key, rows).reshape(-1, batch)
            return lax.scan(step, carry, order, unroll=unroll)

        (params, _), values = lax.scan(epoch, (params, optimizer.init(params)), jax.random.split(key, epochs))
        return values.mean(1), params

    epochs = updates * batch // rows
    params = {"body": _weights(rng, (6, 64, 64)), "heads": [*_weights(rng, (64, 3)), *_weights(rng, (64, 1))]}
    return Program(function, (jax.random.key(1), params))


def lstm(steps: int, unroll: int) -> Program:
    """A long short-term memory of 32 units over sequences, batch 16: all hidden states."""
    rng, units, batch = np.random.default_rng(0), 32, 16
    (w, b), (u, _) = _weights(rng, (8, 4 * units)) + _weights(rng, (units, 4 * units))

    def function(x: Array) -> Array:
        def step(carry: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
            h, c = carry
            i, f, g, o = jnp.split(x @ w + h @ u + b, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((batch, units))
        return lax.scan(step, (start, start), x, unroll=unroll)[1]

    return Program(function, (jnp.asarray(rng.normal(size=(steps, batch, 8)), jnp.float32),))
