"""What users write themselves: losses, optimizers and models that no kernel knows, as cases of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from jaxbm.benchmarks.plain import drawn, layers, pinball


class Recipe(NamedTuple):
    """What is trained: functions of a key, of parameters and rows, and of outputs and labels."""

    init: Callable[[Array], Any]
    apply: Callable[[Any, Array], Array]
    loss: Callable[[Array, Any], Array]
    optimizer: optax.GradientTransformation
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Own:
    """One kind of training, of so many members.

    Args:
      name: of its recipe, a function of this module.
      rows, batch_size, epochs, members: of one call.
    """

    name: str
    rows: int = 8_000
    batch_size: int = 32
    epochs: int = 10
    members: int = 1

    @property
    def unit(self) -> str:
        return "step" if self.members == 1 else "member-step"

    @property
    def units(self) -> int:
        return self.members * self.epochs * (self.rows // self.batch_size)

    def work(self, cache: float) -> None:
        del cache

    def describe(self) -> dict[str, Any]:
        return asdict(self)

    def with_members(self, members: int) -> Own:
        return replace(self, members=members)

    @property
    def recipe(self) -> Recipe:
        """What is trained."""
        found: Recipe = RECIPES[self.name]()
        return found

    def data(self) -> tuple[np.ndarray, Any]:
        """Standard normal features, and labels by a noisy linear rule; of policies, what was done and came of it."""
        rng, width = np.random.default_rng(0), self.recipe.inputs
        if self.name == "pinn":
            return rng.uniform(0, 3, (self.rows, 1)).astype(np.float32), np.zeros(self.rows, np.float32)
        x = rng.standard_normal((self.rows, width), np.float32)
        if self.name == "ppo":
            action = rng.integers(0, 3, self.rows).astype(np.int32)
            advantage, reward = rng.standard_normal((2, self.rows), np.float32)
            return x, {"action": action, "advantage": advantage, "return": reward}
        y = x @ rng.standard_normal(width, np.float32) + rng.standard_normal(self.rows, np.float32)
        return x, y


def _squared(z: Array, y: Array) -> Array:
    return jnp.square(z - y)


def _tanh_layers(params: Any, x: Array) -> Array:
    return layers(params, x, jnp.tanh)


def _network(loss: Callable[..., Array], optimizer: optax.GradientTransformation) -> Recipe:
    return Recipe(lambda key: drawn(key, (20, 64, 32, 1)), layers, loss, optimizer, 20, 1)


def _residual() -> Recipe:
    """Two blocks of 64 units: LayerNorm, relu, a product, and what came in added."""

    def init(key: Array) -> Any:
        return drawn(key, (20, 64, 64, 64, 1)), [(jnp.ones(64), jnp.zeros(64))] * 2

    def apply(params: Any, x: Array) -> Array:
        (first, *blocks, last), norms = params
        x = x @ first[0] + first[1]
        for (w, b), (scale, offset) in zip(blocks, norms, strict=True):
            centred = x - x.mean(-1, keepdims=True)
            h = centred * lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5) * scale + offset
            x = x + jax.nn.relu(h) @ w + b
        return x @ last[0] + last[1]

    return Recipe(init, apply, _squared, optax.adam(1e-3), 20, 1)


def _ppo() -> Recipe:
    """Proximal policy optimization: two layers of 64 tanh units, three actions and a value."""

    def loss(z: Array, y: Any) -> Array:
        logs = jax.nn.log_softmax(z[:, :3])
        ratio = jnp.exp(jnp.take_along_axis(logs, y["action"][:, None], 1)[:, 0] + 1.1)
        a = (y["advantage"] - y["advantage"].mean()) / (y["advantage"].std() + 1e-8)
        clipped = jnp.minimum(ratio * a, jnp.clip(ratio, 0.8, 1.2) * a)
        entropy = -(jnp.exp(logs) * logs).sum(-1)
        return -clipped + 0.5 * jnp.square(z[:, 3] - y["return"]) - 0.01 * entropy

    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(2.5e-4, eps=1e-5))
    return Recipe(lambda key: drawn(key, (6, 64, 64, 4)), _tanh_layers, loss, optimizer, 6, 4)


def _pinn() -> Recipe:
    """u'' = -u by the squared residual, with two layers of 32 tanh units."""

    def net(params: Any, t: Array) -> Array:
        return t + t * t * _tanh_layers(params, t[None])[0]

    def apply(params: Any, x: Array) -> Array:
        second = jax.grad(jax.grad(net, argnums=1), argnums=1)
        return jax.vmap(lambda t: second(params, t) + net(params, t))(x[:, 0])[:, None]

    return Recipe(lambda key: drawn(key, (1, 32, 32, 1)), apply, _squared, optax.adam(1e-3), 1, 1)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "pinball": lambda: _network(pinball, optax.adam(1e-3)),
    "lion": lambda: _network(_squared, optax.lion(1e-4)),
    "clipped-adamw": lambda: _network(_squared, optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))),
    "residual": _residual,
    "ppo": _ppo,
    "pinn": _pinn,
}
