"""Checks of user input at the public boundary. Values are looked at only where they are concrete."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_traced(*trees: Any) -> bool:
    """True where any leaf is being traced, so that its values can't be looked at."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def positive_int(name: str, value: Any) -> int:
    """`value` as an int of at least 1; TypeError or ValueError names the argument."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {value!r}") from None
    if number < 1:
        raise ValueError(f"{name}: expected at least 1, got {number}")
    return number


def in_range(name: str, value: Any, low: float, high: float, *, open_high: bool = False) -> None:
    """ValueError unless `low <= value <= high` (`< high` with `open_high`) for every concrete entry."""
    if value is None or is_traced(value):
        return
    array = np.asarray(value, dtype=np.float64)
    if not (np.all(array >= low) and np.all(array < high if open_high else array <= high)):
        raise ValueError(f"{name}: expected {low} to {high}{' (exclusive)' if open_high else ''}, got {value}")


def finite(name: str, array: Any) -> None:
    """ValueError naming the first entry that is NaN or infinite."""
    if is_traced(array) or not jnp.issubdtype(array.dtype, jnp.floating):
        return
    host = np.asarray(array)
    good = np.isfinite(host if host.dtype.kind == "f" else host.astype(np.float32))
    if not good.all():
        where = tuple(int(i) for i in np.argwhere(~good)[0])
        raise ValueError(
            f"{name}: expected finite values, got {host[where]} at {list(where)} "
            f"({int((~good).sum())} such values in all)"
        )


def row_index(name: str, rows: Any, n: int) -> Any:
    """`rows` as int32 `[k]`, each a row of a table of `n`."""
    rows = jnp.asarray(rows)
    if rows.ndim != 1 or not jnp.issubdtype(rows.dtype, jnp.integer) or rows.shape[0] == 0:
        raise ValueError(f"{name}: expected integers of shape [k], got {rows.dtype} of shape {list(rows.shape)}")
    if not is_traced(rows):
        host = np.asarray(rows)
        bad = (host < 0) | (host >= n)
        if bad.any():
            where = int(np.argmax(bad))
            raise ValueError(f"{name}: expected 0 to {n - 1}, got {host[where]} at [{where}]")
    return rows.astype(jnp.int32)
