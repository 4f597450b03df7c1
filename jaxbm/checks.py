"""Checks of user input at the public boundary. Values are looked at only where they are concrete."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.mlp import MLP


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


def rows(name: str, x: Any, y: Any, weight: Any, model: MLP) -> None:
    """Shapes of features, labels and weights fit each other and the model, and values are usable."""
    if x.ndim != 2 or x.shape[1] != model.sizes[0]:
        raise ValueError(f"x{name}: expected shape [n, {model.sizes[0]}] for {model.sizes}, got {list(x.shape)}")
    if x.shape[0] == 0:
        raise ValueError(f"x{name}: expected at least one row, got none")
    if y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        raise ValueError(
            f"y{name}: expected shape [{x.shape[0]}] or [{x.shape[0]}, {model.sizes[-1]}] like x{name}, "
            f"got {list(y.shape)}"
        )
    if y.ndim == 2 and y.shape[1] != model.sizes[-1]:
        raise ValueError(f"y{name}: expected {model.sizes[-1]} columns for {model.sizes}, got {y.shape[1]}")
    finite(f"x{name}", x)
    finite(f"y{name}", y)
    if weight is not None:
        if weight.shape != (x.shape[0],):
            raise ValueError(f"sample_weight{name}: expected shape [{x.shape[0]}], got {list(weight.shape)}")
        finite(f"sample_weight{name}", weight)
        in_range(f"sample_weight{name}", weight, 0, float("inf"))


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


def labels_for(loss: str, y: Any, model: MLP, name: str = "") -> None:
    """Labels are in the range that the named loss expects."""
    outputs = model.sizes[-1]
    if loss.endswith("with_integer_labels"):
        if not jnp.issubdtype(y.dtype, jnp.integer):
            raise ValueError(f"y{name}: expected integer labels for loss={loss!r}, got dtype {y.dtype}")
        if y.ndim != 1:
            raise ValueError(f"y{name}: expected shape [n] for loss={loss!r}, got {list(y.shape)}")
        low, high = 0, outputs - 1
    elif loss in ("sigmoid_binary_cross_entropy", "sigmoid_focal_loss"):
        if y.ndim == 1 and outputs != 1:
            raise ValueError(f"y{name}: expected shape [n, {outputs}] for loss={loss!r}, got {list(y.shape)}")
        low, high = 0, 1
    else:
        if y.ndim == 1 and outputs != 1:
            raise ValueError(f"y{name}: expected shape [n, {outputs}] for loss={loss!r}, got {list(y.shape)}")
        return
    if is_traced(y):
        return
    host = np.asarray(y)
    bad = (host < low) | (host > high)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"y{name}: expected labels {low} to {high} for loss={loss!r} and {outputs} outputs, "
            f"got {host[where]} at {list(where)}"
        )
