"""Gradient descent and Adam, written by hand, in Optax's protocol.

An optimizer is data: a registered dataclass whose hyper-parameters are pytree leaves. So a sweep over learning
rates is a `vmap` over the optimizer itself, and a new learning rate never compiles anew. A learning rate may also
be a schedule, a function of the step count. A plain function is static, so another one compiles anew; a schedule
that is a pytree, such as `jax.tree_util.Partial(cosine, peak)`, is data: its leaves are leaves of the optimizer, and
a sweep may `vmap` over them. Where Optax expects a `GradientTransformation`
(`optax.chain`, `optax.MultiSteps`), an optimizer of ours works: it has `init` and `update`, and unpacks into them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.typing import ArrayLike, DTypeLike

PyTree = Any
Rate = ArrayLike | Callable[[Array], Any]
T = TypeVar("T")


class SgdState(NamedTuple):
    """State of gradient descent: steps taken, and the momentum (None without)."""

    count: Array  # type: ignore[assignment]  # a field, not tuple.count
    trace: PyTree


class AdamState(NamedTuple):
    """State of Adam: steps taken, and the running means of gradients and of their squares."""

    count: Array  # type: ignore[assignment]  # a field, not tuple.count
    mu: PyTree
    nu: PyTree


def _optimizer(*static: str) -> Callable[[type[T]], type[T]]:
    """Register a dataclass as a pytree: every field is data, but for `static` ones and plain functions."""

    def register(cls: type[T]) -> type[T]:
        names = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]

        def flatten(self: T) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
            values = [getattr(self, name) for name in names]
            fixed = [name in static or _is_function(value) for name, value in zip(names, values, strict=True)]
            leaves = tuple(None if f else v for f, v in zip(fixed, values, strict=True))
            return leaves, tuple((v,) if f else None for f, v in zip(fixed, values, strict=True))

        def unflatten(aux: tuple[Any, ...], leaves: tuple[Any, ...]) -> T:
            self = object.__new__(cls)  # no checks: JAX also puts placeholders where numbers were
            for name, kept, leaf in zip(names, aux, leaves, strict=True):
                object.__setattr__(self, name, leaf if kept is None else kept[0])
            return self

        jax.tree_util.register_pytree_node(cls, flatten, unflatten)
        return cls

    return register


class _Protocol:
    """What Optax expects of a `GradientTransformation`, which is a pair of functions."""

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter((self.init, self.update))  # type: ignore[attr-defined]


@_optimizer("nesterov")
@dataclass(frozen=True)
class Sgd(_Protocol):
    """Gradient descent; see `sgd`."""

    learning_rate: Rate
    momentum: ArrayLike | None = None
    nesterov: bool = False

    def init(self, params: PyTree) -> SgdState:
        """The state before the first step."""
        trace = None if self.momentum is None else _zeros_like(params)
        return SgdState(jnp.zeros((), jnp.int32), trace)

    def update(
        self, updates: PyTree, state: SgdState, params: PyTree = None, **extra: Any
    ) -> tuple[PyTree, SgdState]:
        """Turn gradients into updates to add to the parameters."""
        del params, extra
        trace, momentum = state.trace, self.momentum
        if momentum is not None:
            trace = _map(lambda g, t: g + _as(momentum, t) * t, updates, trace)
            updates = _map(lambda g, t: g + _as(momentum, t) * t, updates, trace) if self.nesterov else trace
        rate = _rate(self.learning_rate, state.count)
        return _map(lambda u: -_as(rate, u) * u, updates), SgdState(next_count(state.count), trace)


@_optimizer("nesterov", "mu_dtype")
@dataclass(frozen=True)
class Adam(_Protocol):
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
        return AdamState(jnp.zeros((), jnp.int32), _zeros_like(params, self.mu_dtype), _zeros_like(params))

    def update(
        self, updates: PyTree, state: AdamState, params: PyTree = None, **extra: Any
    ) -> tuple[PyTree, AdamState]:
        """Turn gradients into updates to add to the parameters (needed here for weight decay)."""
        del extra
        if self.weight_decay is not None and params is None:
            raise ValueError("params: expected the parameters, which weight decay needs, got None")
        count = next_count(state.count)
        mu = _map(lambda g, m: _mean(g, m.astype(g.dtype), self.b1), updates, state.mu)
        nu = _map(lambda g, v: _mean(g * g, v, self.b2), updates, state.nu)
        c1, c2 = bias_correction(self.b1, count), bias_correction(self.b2, count)
        next1 = bias_correction(self.b1, count + 1)
        rate = _rate(self.learning_rate, state.count)

        def one(g: Array, m: Array, v: Array, p: Array | None) -> Array:
            if self.nesterov:
                b1 = _as(self.b1, g)
                m_hat = b1 * (m / _as(next1, g)) + (1 - b1) * (g / _as(c1, g))
            else:
                m_hat = m / _as(c1, g)
            step = m_hat / (jnp.sqrt(v / _as(c2, g) + _as(self.eps_root, g)) + _as(self.eps, g))
            if p is not None and self.weight_decay is not None:
                step = step + _as(self.weight_decay, g) * p
            return -_as(rate, g) * step

        decayed = updates if self.weight_decay is None else params
        steps = _map(one, updates, mu, nu, decayed)
        if self.mu_dtype is not None:
            mu = _map(lambda m: m.astype(self.mu_dtype), mu)
        return steps, AdamState(count, mu, nu)


@_optimizer()
@dataclass(frozen=True)
class ClipByGlobalNorm(_Protocol):
    """Gradient clipping; see `clip_by_global_norm`."""

    max_norm: ArrayLike

    def init(self, params: PyTree) -> optax.EmptyState:
        """Clipping has no state."""
        del params
        return optax.EmptyState()

    def update(
        self, updates: PyTree, state: optax.EmptyState, params: PyTree = None, **extra: Any
    ) -> tuple[PyTree, optax.EmptyState]:
        """Scale the gradients down to the largest norm where they exceed it."""
        del params, extra
        squares = [jnp.square(u.astype(_wide(u))).sum() for u in jax.tree.leaves(updates)]
        norm = jnp.sqrt(jnp.stack(squares).sum()) if squares else jnp.zeros(())
        scale = jnp.where(norm > self.max_norm, self.max_norm / jnp.where(norm > 0, norm, 1), 1)
        return _map(lambda u: u * _as(scale, u), updates), state


def sgd(learning_rate: Rate, momentum: ArrayLike | None = None, nesterov: bool = False) -> Sgd:
    """Gradient descent: `p -= learning_rate * g`; with momentum, `t = g + momentum * t; p -= learning_rate * t`.

    Args:
      learning_rate: number, array or schedule: a function of the step count, or a pytree that can be called with it.
      momentum: decay of the accumulated gradient, in `[0, 1)`; None keeps none.
      nesterov: step along `g + momentum * t` instead of `t`.

    Raises:
      ValueError: a number is out of range.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> optimizer = jaxbm.sgd(0.5)
      >>> updates, state = optimizer.update(jnp.ones(2), optimizer.init(jnp.zeros(2)))
      >>> updates.tolist()
      [-0.5, -0.5]

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
    """
    _check(learning_rate=learning_rate)
    _check_decay(momentum=momentum)
    return Sgd(learning_rate, momentum, nesterov)


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
      eps, eps_root: added outside and inside the square root.
      nesterov: Nesterov's form (Dozat, 2016).
      mu_dtype: dtype of the first running mean, None for the parameters'.

    Raises:
      ValueError: a number is out of range.

    Example:
      >>> import jax, jax.numpy as jnp, jaxbm
      >>> optimizer = jaxbm.adam(1e-3)
      >>> updates, state = optimizer.update(jnp.ones(2), optimizer.init(jnp.zeros(2)))
      >>> [round(u, 6) for u in updates.tolist()]
      [-0.001, -0.001]

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.
    """
    _check(learning_rate=learning_rate, eps=eps, eps_root=eps_root)
    _check_decay(b1=b1, b2=b2)
    return Adam(learning_rate, b1, b2, eps, eps_root, None, nesterov, _dtype(mu_dtype))


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
      ValueError: a number is out of range.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> optimizer, p = jaxbm.adamw(0.1, weight_decay=0.5), jnp.ones(1)
      >>> updates, _ = optimizer.update(jnp.zeros(1), optimizer.init(p), p)
      >>> round(float(updates[0]), 6)
      -0.05

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2.
    """
    _check(learning_rate=learning_rate, eps=eps, eps_root=eps_root, weight_decay=weight_decay)
    _check_decay(b1=b1, b2=b2)
    return Adam(learning_rate, b1, b2, eps, eps_root, weight_decay, nesterov, _dtype(mu_dtype))


def clip_by_global_norm(max_norm: ArrayLike) -> ClipByGlobalNorm:
    """Scale gradients so that the norm of all of them together is at most `max_norm`.

    Raises:
      ValueError: `max_norm` is negative.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> clip = jaxbm.clip_by_global_norm(1.0)
      >>> updates, _ = clip.update(jnp.asarray([3.0, 4.0]), clip.init(None))
      >>> [round(u, 4) for u in updates.tolist()]
      [0.6, 0.8]

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """
    _check(max_norm=max_norm)
    return ClipByGlobalNorm(max_norm)


def apply_updates(params: PyTree, updates: PyTree) -> PyTree:
    """`params + updates`, each parameter keeping its dtype.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> jaxbm.apply_updates(jnp.ones(2), jnp.asarray([0.5, -1.0])).tolist()
      [1.5, 0.0]
    """
    return _map(lambda p, u: (p + u).astype(p.dtype), params, updates)


def bias_correction(decay: ArrayLike, count: Array) -> Array:
    """`1 - decay**count` as `-expm1(count * log(decay))`: float32 loses up to three digits the plain way.

    `decay = 0` gives 1.
    """
    decay = jnp.asarray(decay, jnp.promote_types(jnp.result_type(decay), jnp.float32))
    # log(decay) itself is best taken near 1 through log1p of the (exact) difference.
    return -jnp.expm1(count * jnp.log1p(decay - 1))


def to_optax(state: AdamState) -> optax.ScaleByAdamState:
    """Our Adam state as Optax's `ScaleByAdamState`, the first part of the state of `optax.adam`.

    Example:
      >>> import jax.numpy as jnp, jaxbm, optax
      >>> from jaxbm.optimizers import to_optax
      >>> type(to_optax(jaxbm.adam().init(jnp.ones(2)))).__name__
      'ScaleByAdamState'
    """
    return optax.ScaleByAdamState(state.count, state.mu, state.nu)


def from_optax(state: Any) -> AdamState:
    """The Adam state inside an Optax state (of `optax.adam`, `optax.adamw` or a chain with one of them).

    Raises:
      ValueError: there is not exactly one `ScaleByAdamState` in it.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxbm.optimizers import from_optax
      >>> type(from_optax(optax.adam(1e-3).init(jnp.ones(2)))).__name__
      'AdamState'
    """

    def is_adam(node: Any) -> bool:
        return isinstance(node, optax.ScaleByAdamState)

    found = [node for node in jax.tree.leaves(state, is_leaf=is_adam) if is_adam(node)]
    if len(found) != 1:
        raise ValueError(f"state: expected one optax.ScaleByAdamState inside, got {len(found)}")
    return AdamState(found[0].count, found[0].mu, found[0].nu)


def _map(function: Callable[..., Any], *trees: PyTree) -> PyTree:
    return jax.tree.map(function, *trees)


def _zeros_like(params: PyTree, dtype: Any = None) -> PyTree:
    # A fresh buffer for each leaf, without weak types: they would make the second step compile anew.
    return _map(lambda p: jnp.zeros(jnp.shape(p), dtype or jnp.result_type(p)), params)


def _as(number: ArrayLike, like: Array) -> Array:
    return jnp.asarray(number).astype(like.dtype)


def _wide(x: Array) -> Any:
    return jnp.promote_types(x.dtype, jnp.float32)


def _mean(new: Array, old: Array, decay: ArrayLike) -> Array:
    rest = 1 - jnp.asarray(decay, _wide(new))  # 1 - 0.999 in bfloat16 would be 0
    return _as(rest, new) * new + _as(decay, new) * old


def next_count(count: Array) -> Array:
    """The next step's count, which stays at the largest int32."""
    return jnp.where(count < np.iinfo(np.int32).max, count + 1, count)


def _rate(rate: Rate, count: Array) -> ArrayLike:
    return rate(count) if callable(rate) else rate


def _dtype(dtype: DTypeLike | None) -> Any:
    return None if dtype is None else jnp.dtype(dtype)


def _is_function(value: Any) -> bool:
    return callable(value) and jax.tree_util.all_leaves([value])


def _concrete(value: Any) -> bool:
    return not (value is None or callable(value) or isinstance(value, jax.core.Tracer))


def _check(**numbers: Any) -> None:
    for name, value in numbers.items():
        if _concrete(value) and not np.all(np.asarray(value, np.float64) >= 0):
            raise ValueError(f"{name}: expected a nonnegative number, got {value}")


def _check_decay(**numbers: Any) -> None:
    for name, value in numbers.items():
        if not _concrete(value):
            continue
        array = np.asarray(value, np.float64)
        if not np.all((array >= 0) & (array < 1)):
            raise ValueError(f"{name}: expected a number in [0, 1), got {value}")
