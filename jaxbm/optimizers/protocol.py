"""What every optimizer here shares: a pytree of numbers with the two functions that Optax expects."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

PyTree = Any


Rate = ArrayLike | Callable[[Array], Any]


T = TypeVar("T")


def as_pytree(*static: str) -> Callable[[type[T]], type[T]]:
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


class Protocol:
    """What Optax expects of a `GradientTransformation`, which is a pair of functions."""

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter((self.init, self.update))  # type: ignore[attr-defined]


def tree_map(function: Callable[..., Any], *trees: PyTree) -> PyTree:
    return jax.tree.map(function, *trees)


def zeros_like(params: PyTree, dtype: Any = None) -> PyTree:
    # A fresh buffer for each leaf, without weak types: they would make the second step compile anew.
    return tree_map(lambda p: jnp.zeros(jnp.shape(p), dtype or jnp.result_type(p)), params)


def cast(number: ArrayLike, like: Array) -> Array:
    return jnp.asarray(number).astype(like.dtype)


def wide(x: Array) -> Any:
    return jnp.promote_types(x.dtype, jnp.float32)


def next_count(count: Array) -> Array:
    """The next step's count, which stays at the largest int32."""
    return jnp.where(count < np.iinfo(np.int32).max, count + 1, count)


def rate_at(rate: Rate, count: Array) -> ArrayLike:
    return rate(count) if callable(rate) else rate


def dtype_of(dtype: DTypeLike | None) -> Any:
    return None if dtype is None else jnp.dtype(dtype)


def _is_function(value: Any) -> bool:
    return callable(value) and jax.tree_util.all_leaves([value])


def _concrete(value: Any) -> bool:
    return not (value is None or callable(value) or isinstance(value, jax.core.Tracer))


def check_nonnegative(**numbers: Any) -> None:
    for name, value in numbers.items():
        if _concrete(value) and not np.all(np.asarray(value, np.float64) >= 0):
            raise ValueError(f"{name}: expected a nonnegative number, got {value}")


def check_decay(**numbers: Any) -> None:
    for name, value in numbers.items():
        if not _concrete(value):
            continue
        array = np.asarray(value, np.float64)
        if not np.all((array >= 0) & (array < 1)):
            raise ValueError(f"{name}: expected a number in [0, 1), got {value}")


def apply_updates(params: PyTree, updates: PyTree) -> PyTree:
    """`params + updates`, each parameter keeping its dtype.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> jaxbm.apply_updates(jnp.ones(2), jnp.asarray([0.5, -1.0])).tolist()
      [1.5, 0.0]
    """
    return tree_map(lambda p, u: (p + u).astype(p.dtype), params, updates)
