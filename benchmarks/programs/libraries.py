"""Programs as users of other libraries write them, after these libraries' own introductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.benchmarks.programs.workload import Program


def _sampler(steps: int, make: Callable[[Any, Callable[[Array], Array]], Any]) -> Program:
    """A chain of BlackJAX's over the eight weights of a logistic regression."""
    import blackjax
    from jax.scipy import stats

    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(100, 8)), jnp.float32)
    y = jnp.asarray(rng.random(100) < 0.5, jnp.float32)

    def density(weights: Array) -> Array:
        logits = x @ weights
        return (y * logits - jnp.logaddexp(0.0, logits)).sum() + stats.norm.logpdf(weights).sum()

    kernel = make(blackjax, density)

    def function(key: Array, start: Any) -> Any:
        def step(state: Any, key: Array) -> Any:
            state, _ = kernel.step(key, state)
            return state, state.position

        return lax.scan(step, start, jax.random.split(key, steps))[1]

    return Program(function, (jax.random.key(0), kernel.init(jnp.zeros(8))))


def nuts(steps: int, unroll: int) -> Program:
    del unroll
    return _sampler(steps, lambda blackjax, density: blackjax.nuts(density, 0.2, jnp.ones(8)))


def hmc(steps: int, unroll: int) -> Program:
    del unroll
    return _sampler(steps, lambda blackjax, density: blackjax.hmc(density, 0.1, jnp.ones(8), 10))


def mala(steps: int, unroll: int) -> Program:
    del unroll
    return _sampler(steps, lambda blackjax, density: blackjax.mala(density, 0.05))


def _linear(steps: int) -> tuple[Any, Any, Array]:
    """Dynamax's linear Gaussian model of four states and two observations, its parameters, and a path."""
    from dynamax.linear_gaussian_ssm import LinearGaussianSSM

    model = LinearGaussianSSM(4, 2)
    params, _ = model.initialize(jax.random.PRNGKey(0))
    _, observed = model.sample(params, jax.random.PRNGKey(1), steps)
    return model, params, observed


def linear_filter(steps: int, unroll: int) -> Program:
    del unroll
    model, params, observed = _linear(steps)
    return Program(lambda p, y: model.filter(p, y).filtered_means, (params, observed))


def linear_smoother(steps: int, unroll: int) -> Program:
    del unroll
    model, params, observed = _linear(steps)
    return Program(lambda p, y: model.smoother(p, y).smoothed_means, (params, observed))


def linear_gradient(steps: int, unroll: int) -> Program:
    del unroll
    model, params, observed = _linear(steps)
    return Program(jax.grad(model.marginal_log_prob), (params, observed))


def extended_filter(steps: int, unroll: int) -> Program:
    """A pendulum whose angle is seen through its sine."""
    from dynamax.nonlinear_gaussian_ssm import ParamsNLGSSM, extended_kalman_filter

    del unroll

    def move(x: Array) -> Array:
        return jnp.stack([x[0] + 0.01 * x[1], x[1] - 0.01 * 9.8 * jnp.sin(x[0])])

    def function(observed: Array) -> Array:
        params = ParamsNLGSSM(
            jnp.array([0.5, 0.0]),
            0.1 * jnp.eye(2),
            move,
            1e-4 * jnp.eye(2),
            lambda x: jnp.sin(x[:1]),
            0.1 * jnp.eye(1),
        )
        return extended_kalman_filter(params, observed).filtered_means

    return Program(function, (jnp.asarray(np.random.default_rng(0).normal(size=(steps, 1)), jnp.float32),))


def poisson_hmm(steps: int, unroll: int) -> Program:
    from dynamax.hidden_markov_model import PoissonHMM

    del unroll
    model = PoissonHMM(4, 2)
    params, _ = model.initialize(jax.random.PRNGKey(0))
    _, observed = model.sample(params, jax.random.PRNGKey(1), steps)
    return Program(lambda p, y: model.filter(p, y).filtered_probs, (params, observed))


def gaussian_hmm(steps: int, unroll: int) -> Program:
    from dynamax.hidden_markov_model import GaussianHMM

    del unroll
    model = GaussianHMM(4, 2)
    params, _ = model.initialize(jax.random.PRNGKey(0))
    _, observed = model.sample(params, jax.random.PRNGKey(1), steps)
    return Program(jax.grad(model.marginal_log_prob), (params, observed))


def _rollout(steps: int, name: str) -> Program:
    """An environment of Gymnax with actions at random."""
    import gymnax

    env, params = gymnax.make(name)

    def function(key: Array) -> Any:
        def step(carry: Any, key: Array) -> Any:
            act, move = jax.random.split(key)
            observed, state, *told = env.step(move, carry[1], env.action_space(params).sample(act), params)
            return (observed, state), told[:2]

        start, run = jax.random.split(key)
        return lax.scan(step, env.reset(start, params), jax.random.split(run, steps))[1]

    return Program(function, (jax.random.key(0),))


def cart_pole(steps: int, unroll: int) -> Program:
    del unroll
    return _rollout(steps, "CartPole-v1")


def pendulum(steps: int, unroll: int) -> Program:
    del unroll
    return _rollout(steps, "Pendulum-v1")


def breakout(steps: int, unroll: int) -> Program:
    del unroll
    return _rollout(steps, "Breakout-MinAtar")


def _lorenz(starts: int, adaptive: bool) -> Program:
    """The Lorenz system by Diffrax's Tsit5, with steps of its own choice or constant ones."""
    import diffrax

    def field(t: Array, y: Array, args: Any) -> Array:
        del t, args
        return jnp.stack([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])

    steps = diffrax.PIDController(rtol=1e-5, atol=1e-5) if adaptive else diffrax.ConstantStepSize()

    def solve(start: Array) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, 2.0, 0.01, start, stepsize_controller=steps, max_steps=1000
        ).ys

    first = jnp.array([1.0, 1.0, 1.0])
    if starts == 1:
        return Program(solve, (first,))
    return Program(jax.vmap(solve), (first + 0.1 * jnp.arange(starts)[:, None],))


def tsit5(steps: int, unroll: int) -> Program:
    del steps, unroll
    return _lorenz(1, adaptive=True)


def tsit5_of_64(steps: int, unroll: int) -> Program:
    del steps, unroll
    return _lorenz(64, adaptive=True)


def constant_steps(steps: int, unroll: int) -> Program:
    del steps, unroll
    return _lorenz(1, adaptive=False)


def quasi_separable(steps: int, unroll: int) -> Program:
    """The negative log-likelihood of tinygp's Matern process in linear time, and its gradient."""
    import tinygp

    del unroll
    x = jnp.sort(jnp.asarray(np.random.default_rng(0).uniform(0, 10, steps)))

    def loss(log_scale: Array) -> Array:
        kernel = tinygp.kernels.quasisep.Matern32(jnp.exp(log_scale))
        return -tinygp.GaussianProcess(kernel, x, diag=0.1).log_probability(jnp.sin(x))

    return Program(jax.value_and_grad(loss), (jnp.asarray(0.3),))
