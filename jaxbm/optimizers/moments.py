"""Adam and AdamW: steps by running means of gradients and of their squares."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxbm.core import checks
from jaxbm.core.arrays import joined
from jaxbm.core.calls import helpful
from jaxbm.optimizers.protocol import (
    Protocol,
    PyTree,
    Rate,
    abs_square,
    as_pytree,
    cast,
    check_decay,
    check_nonnegative,
    check_rate,
    dtype_of,
    float_dtype,
    floats,
    narrowed,
    next_count,
    rate_at,
    real_cast,
    real_dtype,
    tree_map,
    wide,
    zeros_like,
)


class AdamState(NamedTuple):
    """State of Adam: steps taken, and the running means of gradients and of their squares."""

    count: Array  # type: ignore[assignment]  # a field, not tuple.count
    mu: PyTree
    nu: PyTree


@as_pytree("nesterov", "mu_dtype")
@dataclass(frozen=True)
class Adam(Protocol):
    """Adam and, with `weight_decay`, AdamW; see `adam` and `adamw`."""

    learning_rate: Rate = 1e-3
    b1: ArrayLike = 0.9
    b2: ArrayLike = 0.999
    eps: ArrayLike = 1e-8
    eps_root: ArrayLike = 0.0
    weight_decay: ArrayLike | None = None
    nesterov: bool = False
    mu_dtype: Any = None

    def init(self, params: PyTree) -> AdamState:
        """The state before the first step."""
        nu = tree_map(lambda p: jnp.zeros(jnp.shape(p), real_dtype(float_dtype(p))), params)
        return AdamState(jnp.zeros((), jnp.int32), zeros_like(params, self.mu_dtype), nu)

    def update(
        self, updates: PyTree, state: AdamState, params: PyTree = None, **extra: Any
    ) -> tuple[PyTree, AdamState]:
        """Turn gradients into updates to add to the parameters (needed here for weight decay)."""
        del extra
        if self.weight_decay is not None and params is None:
            raise ValueError("params: expected the parameters, which weight decay needs, got None")
        updates, count = floats(updates), next_count(state.count)
        mu = tree_map(lambda g, m: _mean(g, narrowed(m, g), self.b1), updates, state.mu)
        nu = tree_map(lambda g, v: _mean(abs_square(g), v, self.b2), updates, state.nu)
        c1, c2 = bias_correction(self.b1, count), bias_correction(self.b2, count)
        next1 = bias_correction(self.b1, next_count(count))
        # A division takes as long as the rest of a parameter's step: of numbers that all share, one is enough.
        of_m, of_next, of_v = 1 / c1, 1 / next1, 1 / c2
        rate = rate_at(self.learning_rate, state.count)

        def one(g: Array, m: Array, v: Array, p: Array | None) -> Array:
            if self.nesterov:
                b1 = cast(self.b1, g)
                m_hat = b1 * (m * cast(of_next, g)) + (1 - b1) * (g * cast(of_m, g))
            else:
                m_hat = m * cast(of_m, g)
            # With eps = 0 a parameter without gradients would be 0 / 0; here it stays as it is.
            eps = jnp.maximum(real_cast(self.eps, g), jnp.finfo(g.dtype).tiny)
            size = jnp.sqrt(v * real_cast(of_v, g) + real_cast(self.eps_root, g)) + eps
            step = m_hat / size.astype(m_hat.dtype)
            if p is not None and self.weight_decay is not None:
                step = step + cast(self.weight_decay, g) * p
            return -cast(rate, g) * step

        decayed = updates if self.weight_decay is None else floats(params)
        steps = tree_map(one, updates, mu, nu, decayed)
        if self.mu_dtype is not None:
            mu = tree_map(lambda m: m.astype(self.mu_dtype), mu)
        return steps, AdamState(count, mu, nu)


@helpful
def adam(
    learning_rate: Rate = 1e-3,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    *,
    nesterov: bool = False,
    mu_dtype: DTypeLike | None = None,
) -> Adam:
    """Adam: `p -= learning_rate * mu_hat / (sqrt(nu_hat + eps_root) + eps)`, hats marking bias correction.

    Args:
      learning_rate: number, array or schedule: a function of the step count, or a pytree that can be called with it.
      b1, b2: decay of the running means of gradients and of their squares, in `[0, 1)`.
      eps, eps_root: added outside and inside the square root; with 0 a parameter that never had a gradient stays as
        it is, where Optax makes it NaN.
      nesterov: Nesterov's form (Dozat, 2016).
      mu_dtype: dtype of the first running mean, None for the parameters'.

    Raises:
      TypeError: an argument is not a number (text, a list, None).
      ValueError: a number is out of range.

    Example:
      >>> import jax, jax.numpy as jnp, jaxbm
      >>> optimizer = jaxbm.adam(1e-3)
      >>> updates, state = optimizer.update(jnp.ones(2), optimizer.init(jnp.zeros(2)))
      >>> [round(u, 6) for u in updates.tolist()]
      [-0.001, -0.001]

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.
    """
    check_rate(learning_rate)
    check_nonnegative(eps=eps, eps_root=eps_root)
    check_decay(b1=b1, b2=b2)
    nesterov, dtype = checks.flag("nesterov", nesterov), dtype_of("mu_dtype", mu_dtype)
    return Adam(learning_rate, b1, b2, eps, eps_root, None, nesterov, dtype)


@helpful
def adamw(
    learning_rate: Rate = 1e-3,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    weight_decay: ArrayLike = 1e-4,
    *,
    nesterov: bool = False,
    mu_dtype: DTypeLike | None = None,
) -> Adam:
    """Adam with decoupled weight decay: a step also takes `learning_rate * weight_decay * p` off.

    Args:
      weight_decay: nonnegative; as in Optax it applies to biases too.
      learning_rate, b1, b2, eps, eps_root, nesterov, mu_dtype: as for `adam`.

    Raises:
      TypeError: an argument is not a number (text, a list, None).
      ValueError: a number is out of range.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> optimizer, p = jaxbm.adamw(0.1, weight_decay=0.5), jnp.ones(1)
      >>> updates, _ = optimizer.update(jnp.zeros(1), optimizer.init(p), p)
      >>> round(float(updates[0]), 6)
      -0.05

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2.
    """
    check_rate(learning_rate)
    check_nonnegative(eps=eps, eps_root=eps_root, weight_decay=weight_decay)
    check_decay(b1=b1, b2=b2)
    nesterov, dtype = checks.flag("nesterov", nesterov), dtype_of("mu_dtype", mu_dtype)
    return Adam(learning_rate, b1, b2, eps, eps_root, weight_decay, nesterov, dtype)


def bias_correction(decay: ArrayLike, count: Array) -> Array:
    """`1 - decay**count` as `-expm1(count * log(decay))`: float32 loses up to three digits the plain way.

    `decay = 0` gives 1.
    """
    decay = jnp.asarray(decay, joined(jnp.result_type(decay), jnp.float32))
    # log(decay) itself is best taken near 1 through log1p of the (exact) difference.
    return -jnp.expm1(count.astype(decay.dtype) * jnp.log1p(decay - 1))


def _mean(new: Array, old: Array, decay: ArrayLike) -> Array:
    rest = 1 - jnp.asarray(decay, wide(new))  # 1 - 0.999 in bfloat16 would be 0
    return cast(rest, new) * new + cast(decay, new) * old
