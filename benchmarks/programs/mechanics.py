"""Mechanics: an attractor by Runge-Kutta, a solar system, a robot's mass matrix, a neuron's membrane."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.benchmarks.programs.workload import Program


def _lorenz(state: Array) -> Array:
    x, y, z = state
    return jnp.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])


def _attractor(dtype: Any, steps: int, unroll: int) -> Program:
    def step(y: Array, _: None) -> tuple[Array, Array]:
        h = 0.005
        k1 = _lorenz(y)
        k2 = _lorenz(y + h / 2 * k1)
        k3 = _lorenz(y + h / 2 * k2)
        k4 = _lorenz(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y, y

    return Program(lambda y: lax.scan(step, y, None, steps, unroll=unroll)[1], (jnp.ones(3, dtype),))


def lorenz_float32(steps: int, unroll: int) -> Program:
    """The Lorenz attractor by the classical Runge-Kutta method."""
    return _attractor(jnp.float32, steps, unroll)


def lorenz_float64(steps: int, unroll: int) -> Program:
    """The same in float64."""
    return _attractor(jnp.float64, steps, unroll)


def _energy_of_arrival(steps: int, unroll: int, velocities: Array, positions: Array, masses: Array) -> Array:
    def acceleration(x: Array) -> Array:
        apart = x[None] - x[:, None]
        squared = jnp.square(apart).sum(-1) + 1e-6
        return (masses[None, :, None] * apart * (squared**-1.5)[..., None]).sum(1)

    def step(carry: Any, _: None) -> Any:
        x, v = carry
        v = v + 0.005 * acceleration(x)
        x = x + 0.01 * v
        return (x, v + 0.005 * acceleration(x)), None

    (x, _), _ = lax.scan(step, (positions, velocities), None, steps, unroll=unroll)
    return jnp.square(x - 1.0).sum()


def _planets() -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    radius, angle = np.arange(5.0), rng.uniform(0, 2 * np.pi, 5)
    positions = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.01 * rng.normal(size=5)], 1)
    speed = np.where(radius > 0, 1 / np.sqrt(np.maximum(radius, 1)), 0)
    velocities = np.stack([-np.sin(angle) * speed, np.cos(angle) * speed, 0 * angle], 1)
    return jnp.asarray(velocities), jnp.asarray(positions), jnp.asarray([1.0, 1e-4, 1e-3, 3e-4, 5e-5])


def solar_system(steps: int, unroll: int) -> Program:
    """Five bodies by leapfrog: where they arrive, and its gradient by where they started."""
    return Program(jax.value_and_grad(partial(_energy_of_arrival, steps, unroll)), _planets())


def _frame(axis: int, angle: Array, offset: np.ndarray) -> Array:
    c, s = jnp.cos(angle), jnp.sin(angle)
    j, k = [(1, 2), (2, 0), (0, 1)][axis]
    turn = jnp.eye(3).at[j, j].set(c).at[k, k].set(c).at[j, k].set(-s).at[k, j].set(s)
    return jnp.eye(4).at[:3, :3].set(turn).at[:3, 3].set(offset)


def mass_matrix(joints: int, unroll: int) -> Program:
    """The mass matrix of a chain of joints by composite rigid bodies: straight-line code without any loop."""
    del unroll
    rng = np.random.default_rng(0)
    axes, offsets = rng.integers(0, 3, joints), rng.normal(size=(joints, 3)) * 0.2
    masses = rng.uniform(0.5, 2, joints)

    def function(angles: Array) -> Array:
        frame, directions, places, centres = jnp.eye(4), [], [], []
        for axis, angle, offset in zip(axes, angles, offsets, strict=True):
            frame = frame @ _frame(axis, angle, offset)
            directions.append(frame[:3, axis])
            places.append(frame[:3, 3])
            centres.append(frame[:3, :3] @ (0.5 * offset) + frame[:3, 3])
        rows: dict[tuple[int, int], Array] = {}
        mass, first, second = 0.0, jnp.zeros(3), jnp.zeros((3, 3))
        for i in reversed(range(joints)):
            c = centres[i]
            mass, first = mass + masses[i], first + masses[i] * c
            second = second + masses[i] * (jnp.dot(c, c) * jnp.eye(3) - jnp.outer(c, c))
            arm = jnp.cross(directions[i], places[i])
            linear = jnp.cross(directions[i], first) - mass * arm
            angular = second @ directions[i] - jnp.cross(first, arm)
            for j in range(i + 1):
                moment = jnp.dot(directions[j], angular) - jnp.dot(jnp.cross(directions[j], places[j]), linear)
                rows[i, j] = rows[j, i] = moment
        return jnp.stack([jnp.stack([rows[i, j] for j in range(joints)]) for i in range(joints)])

    return Program(function, (jnp.asarray(np.random.default_rng(1).normal(size=joints)),))


def _gates(v: Array) -> list[tuple[Array, Array]]:
    """Opening and closing rates of the gates m, h and n (Hodgkin and Huxley, 1952, shifted to -65 mV)."""
    return [
        (0.1 * (v + 40) / (1 - jnp.exp(-(v + 40.001) / 10)), 4 * jnp.exp(-(v + 65) / 18)),
        (0.07 * jnp.exp(-(v + 65) / 20), 1 / (1 + jnp.exp(-(v + 35) / 10))),
        (0.01 * (v + 55) / (1 - jnp.exp(-(v + 55.001) / 10)), 0.125 * jnp.exp(-(v + 65) / 80)),
    ]


def neuron(steps: int, unroll: int) -> Program:
    """A cable of four compartments under a current: misfit of its voltage, and its gradient by the conductances."""
    dt, compartments = 0.025, 4

    def misfit(g: dict[str, Array], currents: Array) -> Array:
        def step(carry: Any, current: Array) -> tuple[Any, Array]:
            v, *gates = carry
            for k, (opening, closing) in enumerate(_gates(v)):
                kept = jnp.exp(-dt * (opening + closing))
                gates[k] = gates[k] * kept + opening / (opening + closing) * (1 - kept)
            m, h, n = gates
            ionic = g["sodium"] * m**3 * h * (v - 50) + g["potassium"] * n**4 * (v + 77) + g["leak"] * (v + 54.4)
            along = jnp.concatenate([v[1:], v[-1:]]) - 2 * v + jnp.concatenate([v[:1], v[:-1]])
            v = v + dt * (jnp.zeros_like(v).at[0].set(current) + g["axial"] * along - ionic)
            return (v, m, h, n), v[-1]

        rest = jnp.zeros(compartments)
        _, voltage = lax.scan(step, (rest - 65.0, rest + 0.05, rest + 0.6, rest + 0.32), currents, unroll=unroll)
        return jnp.square(voltage + 60.0).mean()

    values = {"sodium": 120.0, "potassium": 36.0, "leak": 0.3, "axial": 1.0}
    conductances = {name: jnp.full(compartments, value) for name, value in values.items()}
    return Program(jax.value_and_grad(misfit), (conductances, jnp.full(steps, 10.0)))
