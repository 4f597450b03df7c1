"""What metrics are given: predictions, labels and weights of the same rows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import arrays
from jaxbm.core.arrays import joined
from jaxbm.core.checks import bad_value, is_traced
from jaxbm.core.settings import whole_on_each
from jaxbm.core.weights import scaled


class Codes(NamedTuple):
    """Class numbers, and where there is one."""

    number: Array
    """int32; 0 where there is none"""
    known: Array
    """bool of the same shape"""


def as_array(name: str, values: ArrayLike) -> Array:
    """The array; an explicitly sharded one is whole on each device, since rows are sorted and counted by class."""
    return whole_on_each(arrays.as_array(name, values))


def real(name: str, values: ArrayLike) -> Array:
    """`as_array` of real numbers; TypeError for complex ones."""
    return whole_on_each(arrays.real(name, values))


def floats(name: str, values: ArrayLike) -> Array:
    """`values` in at least float32, whatever numbers they are."""
    array = real(name, values)
    wide = joined(array.dtype, jnp.float32) if jnp.issubdtype(array.dtype, jnp.floating) else jnp.float32
    return array.astype(wide)


def codes(name: str, values: ArrayLike) -> Codes:
    """Whole numbers as int32; fractions, NaN and what doesn't fit are no classes."""
    array = real(name, values)
    if jnp.issubdtype(array.dtype, jnp.floating):
        wide = array.astype(joined(array.dtype, jnp.float32))
        known = (wide == jnp.round(wide)) & (jnp.abs(wide) < 2.0**31)
        return Codes(jnp.where(known, wide, 0).astype(jnp.int32), known)
    if array.dtype == bool or array.dtype.itemsize < 4 or array.dtype == jnp.int32:
        return Codes(array.astype(jnp.int32), jnp.ones(array.shape, bool))
    known = array <= jnp.asarray(2**31 - 1, array.dtype)
    if jnp.issubdtype(array.dtype, jnp.signedinteger):
        known = known & (array >= jnp.asarray(-(2**31), array.dtype))
    return Codes(jnp.where(known, array, 0).astype(jnp.int32), known)


def row_weights(weights: ArrayLike | None, like: Array, *, scale: bool = True) -> Array:
    """`[n]`, floating point as wide as `like`; ones for None.

    Args:
      weights: any numbers `[n]`.
      like: its first axis has the rows.
      scale: multiply by a power of two that keeps sums finite; ratios of sums don't notice.

    Raises:
      ValueError: the shape doesn't fit, or a concrete weight is negative, infinite or NaN.
    """
    dtype = joined(like.dtype, jnp.float32) if jnp.issubdtype(like.dtype, jnp.floating) else jnp.float32
    if weights is None:
        return jnp.ones(like.shape[0], dtype)
    array = real("weights", weights)
    if array.shape != like.shape[:1]:
        raise ValueError(f"weights: expected shape [{like.shape[0]}], got {list(array.shape)}")
    if not is_traced(array):
        refuse("weights", array, (array >= 0) & jnp.isfinite(array), None, "nonnegative finite numbers")
    if jnp.issubdtype(array.dtype, jnp.floating):
        dtype = joined(dtype, array.dtype)
    return scaled(array, dtype) if scale else array.astype(dtype)


def refuse(name: str, values: Array, good: Array, weights: Array | None, expected: str) -> None:
    """ValueError for the first concrete value that is not good and has weight; traced values can't be looked at."""
    if is_traced(values, good, weights):
        return
    bad = ~np.asarray(jax.device_get(good))
    if weights is not None:
        counts = np.asarray(jax.device_get(weights)) != 0
        bad = bad & counts.reshape(counts.shape + (1,) * (bad.ndim - 1))
    if bad.any():
        raise bad_value(name, expected, np.asarray(jax.device_get(values)), bad)


def unless(good: Array, weights: Array | None, value: Array) -> Array:
    """`value`, and NaN where a row that has weight is not good."""
    if weights is not None:
        good = good | (weights == 0).reshape(weights.shape + (1,) * (good.ndim - 1))
    return jnp.where(good.all(), value, jnp.nan)


def if_any(weight: Array, value: Array) -> Array:
    """`value`, and NaN where no row has weight: nothing is known of none."""
    return jnp.where(weight.sum() > 0, value, jnp.nan)


def weighted_mean(values: Array, weights: ArrayLike | None) -> Array:
    """`sum(weights * values) / sum(weights)`; a weight of zero hides even a NaN."""
    w = row_weights(weights, values)
    return jnp.where(w == 0, 0, values.astype(w.dtype) * w).sum() / w.sum()


def divide(a: Array, b: Array) -> Array:
    """`a / b`, and 0 where b is."""
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))


def same_rows(name: str, scores: Array, labels: ArrayLike) -> tuple[Array, Array]:
    """Scores `[n]` or `[n, classes]` with labels `[n]`, or `[n, k]` both; a column `[n, 1]` of scores is `[n]`."""
    array = as_array("labels", labels)
    if scores.ndim not in (1, 2) or array.shape not in (scores.shape[:1], scores.shape):
        raise ValueError(f"labels: expected shape [n] like the {name} {list(scores.shape)}, got {list(array.shape)}")
    if scores.shape[1:] == (1,):
        return scores[:, 0], array.reshape(scores.shape[0])
    return scores, array


def of_columns(metric: Any, scores: Array, labels: Array) -> Array:
    """The mean of a metric of `[n]` over the columns of `[n, k]`."""
    return jax.vmap(metric, (1, 1))(scores, labels).mean()


def error_of(predictions: ArrayLike, targets: ArrayLike) -> Array:
    """`predictions - targets` of one shape, `[n]` or `[n, k]`, in at least float32."""
    first, second = same_shape(predictions, targets)
    return first - second


def same_shape(predictions: ArrayLike, targets: ArrayLike, name: str = "predictions") -> tuple[Array, Array]:
    """Predictions and targets of one shape, `[n]` or `[n, k]`, in one dtype of at least float32."""
    first, second = floats(name, predictions), floats("targets", targets)
    if first.shape != second.shape or first.ndim not in (1, 2):
        raise ValueError(
            f"targets: expected the {name}' shape {list(first.shape)}, [n] or [n, k], got {list(second.shape)}"
        )
    dtype = joined(first.dtype, second.dtype)
    return first.astype(dtype), second.astype(dtype)


def per_row(values: Array) -> Array:
    """`[n]`: the mean over outputs."""
    return values.mean(axis=1) if values.ndim == 2 else values
