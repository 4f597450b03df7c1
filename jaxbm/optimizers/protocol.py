"""What every optimizer here shares: a pytree of numbers with the two functions that Optax expects."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxbm.core import checks
from jaxbm.core.arrays import joined

PyTree = Any


Rate = ArrayLike | Callable[[Array], Any]


T = TypeVar("T")


def as_pytree(*static: str) -> Callable[[type[T]], type[T]]:
    """Register a dataclass as a pytree: every field is data, but for `static` ones and plain functions."""

    def register(cls: type[T]) -> type[T]:
        names = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]
        is_static = [name in static for name in names]

        def flatten(self: T) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
            leaves, kept = [getattr(self, name) for name in names], list[Any]([None] * len(names))
            for k, value in enumerate(leaves):  # dozens of times in every call of `fit`
                if is_static[k] or (callable(value) and _is_function(value)):
                    leaves[k], kept[k] = None, (value,)
            return tuple(leaves), tuple(kept)

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


def floats(tree: PyTree) -> PyTree:
    """Every leaf as an array of floating-point (or complex) numbers: a Python number is one, too, and an integer."""
    return tree_map(lambda leaf: jnp.asarray(leaf).astype(float_dtype(leaf)), tree)


def float_dtype(leaf: ArrayLike) -> Any:
    dtype = jnp.result_type(leaf)
    return dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.dtype("float32")


def zeros_like(params: PyTree, dtype: Any = None) -> PyTree:
    # A fresh buffer for each leaf, without weak types: they would make the second step compile anew.
    return tree_map(lambda p: jnp.zeros(jnp.shape(p), dtype or float_dtype(p)), params)


def cast(number: ArrayLike, like: Array) -> Array:
    return jnp.asarray(number).astype(like.dtype)


def real_dtype(dtype: Any) -> Any:
    """The dtype of a number's size: of the parts of complex numbers, else the same."""
    return jnp.finfo(dtype).dtype if jnp.issubdtype(dtype, jnp.complexfloating) else jnp.dtype(dtype)


def real_cast(number: ArrayLike, like: Array) -> Array:
    """`number` in the dtype of the size of `like`."""
    return jnp.asarray(number).astype(real_dtype(like.dtype))


def abs_square(x: Array) -> Array:
    """`abs(x)**2`, real, without the square root of an absolute value."""
    return jnp.square(x.real) + jnp.square(x.imag) if jnp.issubdtype(x.dtype, jnp.complexfloating) else x * x


def narrowed(x: Array, like: Array) -> Array:
    """`x` in the dtype of `like`; of complex numbers the real part where `like` is real."""
    real = jnp.issubdtype(x.dtype, jnp.complexfloating) and not jnp.issubdtype(like.dtype, jnp.complexfloating)
    return (x.real if real else x).astype(like.dtype)


def wide(x: Array) -> Any:
    return joined(x.dtype, jnp.float32)


def next_count(count: Array) -> Array:
    """The next step's count, which stays at the largest int32."""
    return jnp.where(count < np.iinfo(np.int32).max, count + 1, count)


def rate_at(rate: Rate, count: Array) -> ArrayLike:
    return rate(count) if callable(rate) else rate


def dtype_of(name: str, dtype: DTypeLike | None) -> Any:
    return None if dtype is None else jnp.dtype(checks.float_name(name, dtype, is_complex=True))


def _is_function(value: Any) -> bool:
    return callable(value) and jax.tree_util.all_leaves([value])


def _number(name: str, value: Any) -> np.ndarray | None:
    """A number on the host; None for what is traced or has no value yet; TypeError for anything else."""
    if isinstance(value, jax.core.Tracer | jax.ShapeDtypeStruct):
        return None
    if isinstance(value, jax.Array | np.ndarray | np.generic | int | float):
        host = np.asarray(value)
        if host.dtype.kind in "iuf" or jnp.issubdtype(host.dtype, jnp.floating):
            return host.astype(np.float64)
    got = f"dtype {value.dtype}" if hasattr(value, "dtype") else type(value).__name__
    raise TypeError(f"{name}: expected a number or an array of numbers, got {got}")


def check_rate(learning_rate: Any) -> None:
    """A function of the step count, or a number that is not negative; TypeError or ValueError names the argument."""
    if not callable(learning_rate):
        check_nonnegative(learning_rate=learning_rate)


def check_schedule(name: str, rate: Any) -> None:
    """ValueError that names the argument where a function of the step count gives something else than one number."""
    if not _is_function(rate):
        return
    found = jax.tree.leaves(jax.eval_shape(rate, jax.ShapeDtypeStruct((), jnp.int32)))
    if len(found) != 1 or found[0].shape != ():
        got = f"an array of shape {list(found[0].shape)}" if len(found) == 1 else f"{len(found)} arrays"
        raise ValueError(f"{name}: expected a function that gives one number for a step count, got {got} from it")


def check_nonnegative(**numbers: Any) -> None:
    """Numbers that are not negative; TypeError or ValueError names the argument."""
    for name, value in numbers.items():
        host = _number(name, value)
        if host is not None and not np.all(host >= 0):
            raise ValueError(f"{name}: expected a nonnegative number, got {host[~(host >= 0)].flat[0]!s}")


def check_decay(**numbers: Any) -> None:
    """Numbers from 0 to below 1; TypeError or ValueError names the argument."""
    for name, value in numbers.items():
        host = _number(name, value)
        bad = None if host is None else ~((host >= 0) & (host < 1))
        if host is not None and np.any(bad):
            raise ValueError(f"{name}: expected a number in [0, 1), got {host[bad].flat[0]!s}")


def apply_updates(params: PyTree, updates: PyTree) -> PyTree:
    """`params + updates`, each parameter keeping its dtype.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> jaxbm.apply_updates(jnp.ones(2), jnp.asarray([0.5, -1.0])).tolist()
      [1.5, 0.0]
    """

    def moved(p: ArrayLike, u: ArrayLike) -> Array:
        p, u = jnp.asarray(p), jnp.asarray(u)
        dtype = joined(p.dtype, u.dtype)
        return (p.astype(dtype) + u.astype(dtype)).astype(p.dtype)

    return tree_map(moved, params, updates)
