"""What losses are given: arrays of fitting shapes, axes, masks, numbers."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core.arrays import as_array, real
from jaxbm.core.checks import bad_value, is_traced

Axis = int | tuple[int, ...] | None


def floating(name: str, x: ArrayLike) -> Array:
    """`x` as an array; ValueError unless it is floating point."""
    array = as_array(name, x)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"{name}: expected floating-point values, got dtype {array.dtype}")
    return array


def pair(
    predictions: ArrayLike,
    targets: Any,
    first: str = "predictions",
    second: str = "targets",
    *,
    or_zero: bool = False,
) -> tuple[Array, Array]:
    """Predictions and targets of one shape and dtype; a scalar target is allowed, and with `or_zero` none at all."""
    predictions = floating(first, predictions)
    if targets is None and or_zero:
        return predictions, jnp.zeros((), predictions.dtype)
    targets = real(second, targets)
    if targets.ndim and targets.shape != predictions.shape:
        raise ValueError(
            f"{second}: expected the shape of {first}, {list(predictions.shape)}, got {list(targets.shape)}"
        )
    return predictions, targets.astype(predictions.dtype)


def distributions(first: str, logits: ArrayLike, labels: ArrayLike, second: str = "labels") -> tuple[Array, Array]:
    """Logits, and labels of equal rank that fit them, in one dtype."""
    logits, labels = floating(first, logits), real(second, labels)
    fits = labels.ndim == logits.ndim and all(
        a == b or 1 in (a, b) for a, b in zip(labels.shape, logits.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{second}: expected the shape of {first}, {list(logits.shape)}, got {list(labels.shape)}")
    return logits, labels.astype(logits.dtype)


def number(
    name: str, value: ArrayLike, like: Array, low: float = -np.inf, high: float = np.inf, *, ends: bool = False
) -> Array:
    """A number, or an array that fits `like`, in the dtype of `like`: it never widens what it is multiplied with.

    Raises:
      ValueError: it has more axes or entries than `like`, or `between` raises.
    """
    array = real(name, value)
    between(name, value, low, high, ends=ends)
    if not _fits(array.shape, like.shape):
        raise ValueError(f"{name}: expected a number or shape {list(like.shape)}, got {list(array.shape)}")
    return jnp.broadcast_to(array.astype(like.dtype), like.shape) if array.ndim else array.astype(like.dtype)


def _fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Whether `shape` broadcasts to `into` without making that larger."""
    ends = into[len(into) - len(shape) :]
    return len(shape) <= len(into) and all(a in (1, b) for a, b in zip(shape, ends, strict=True))


def between(name: str, array: Any, low: float, high: float, *, ends: bool = True) -> None:
    """ValueError for a concrete entry outside `low` to `high`, or at an end unless `ends`.

    Given as its user gave it: inside a transformation a Python number would be one that can't be looked at, once made
    an array.
    """
    if is_traced(array):
        return
    host = np.asarray(jax.device_get(array))
    host = host.astype(np.float64) if host.dtype.kind != "V" else host.astype(np.float32)
    bad = ~((host >= low) & (host <= high) if ends else (host > low) & (host < high))
    if bad.any():
        raise bad_value(name, f"{low:g} to {high:g}{'' if ends else ', the ends excluded'}", host, bad)


def row_weights(weights: ArrayLike | None, like: Array) -> Array:
    """`[n]`: the rows' weights in the dtype of `like`, which has the rows on its first axis; ones for None."""
    if weights is None:
        return jnp.ones(like.shape[0], like.dtype)
    array = real("weights", weights)
    if array.shape != like.shape[:1]:
        raise ValueError(f"weights: expected shape [{like.shape[0]}], got {list(array.shape)}")
    return array.astype(like.dtype)


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes that are summed over, each from 0 to `ndim - 1`; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for each in axes:
        if not -ndim <= operator.index(each) < ndim:
            raise ValueError(f"axis: expected {-ndim} to {ndim - 1} for {ndim} axes, got {each}")
    found = tuple(operator.index(each) % ndim for each in axes)
    if len(set(found)) != len(found):
        raise ValueError(f"axis: expected different axes, got {axis}")
    return found


def mask_of(where: ArrayLike | None, like: Array, axes: tuple[int, ...]) -> Array | None:
    """`where` in the shape of `like`: given element by element, or one for each row, that is without `axes`.

    A mask with fewer axes than `like` is always one for each row, whatever its length.
    """
    if where is None:
        return None
    mask = as_array("where", where).astype(bool)
    rows = tuple(n for i, n in enumerate(like.shape) if i not in axes)
    if mask.ndim != like.ndim:
        if mask.ndim and mask.shape != rows:
            raise ValueError(
                f"where: expected shape {list(like.shape)}, or {list(rows)} for whole rows, got {list(mask.shape)}"
            )
        mask = jnp.expand_dims(mask, axes) if mask.ndim else mask
    elif not _fits(mask.shape, like.shape):
        raise ValueError(f"where: expected shape {list(like.shape)}, got {list(mask.shape)}")
    return jnp.broadcast_to(mask, like.shape)


def class_labels(labels: ArrayLike, shape: tuple[int, ...], classes: int, heeded: Any = None) -> tuple[Array, Array]:
    """Class numbers that can index, and which of the labels are classes at all.

    Args:
      labels: integers of `shape`.
      classes: they run from 0 to `classes - 1`.
      heeded: bool of `shape`: only these labels are looked at; None for all.

    Returns:
      int32 of `shape`, inside the range, and bool of `shape`.

    Raises:
      ValueError: wrong dtype or shape; or, where values can be looked at, a label that is no class.
    """
    array = as_array("labels", labels)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(f"labels: expected integers, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(
            f"labels: expected shape {list(shape)}, the outputs' without the classes, got {list(array.shape)}"
        )
    known = array >= 0
    if classes <= jnp.iinfo(array.dtype).max:
        known = known & (array < classes)
    if not is_traced(known, heeded):
        bad = ~np.asarray(jax.device_get(known))
        if heeded is not None:
            bad = bad & np.asarray(jax.device_get(heeded))
        if bad.any():
            raise bad_value("labels", f"classes 0 to {classes - 1}", np.asarray(jax.device_get(array)), bad)
    return jnp.where(known, array, 0).astype(jnp.int32), known
