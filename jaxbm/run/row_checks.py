"""Checks of the rows of a run against the model and the loss."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxbm.core.checks import finite, in_range, is_traced
from jaxbm.core.labels import check_outputs
from jaxbm.losses import kind_of
from jaxbm.models.protocol import Model, rows_text


def rows(name: str, x: Any, y: Any, weight: Any, model: Model) -> None:
    """Shapes of features, labels and weights fit each other and the model, and values are usable."""
    if x.ndim == 0 or x.shape[1:] != model.input_shape:
        raise ValueError(f"x{name}: expected shape {rows_text(model)} for {model.title}, got {list(x.shape)}")
    if x.shape[0] == 0:
        raise ValueError(f"x{name}: expected at least one row, got none")
    if y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        raise ValueError(
            f"y{name}: expected shape [{x.shape[0]}] or [{x.shape[0]}, {model.n_outputs}] like x{name}, "
            f"got {list(y.shape)}"
        )
    if y.ndim == 2 and y.shape[1] != model.n_outputs:
        raise ValueError(f"y{name}: expected {model.n_outputs} columns for {model.title}, got {y.shape[1]}")
    finite(f"x{name}", x)
    finite(f"y{name}", y)
    if weight is not None:
        if weight.shape != (x.shape[0],):
            raise ValueError(f"sample_weight{name}: expected shape [{x.shape[0]}], got {list(weight.shape)}")
        finite(f"sample_weight{name}", weight)
        in_range(f"sample_weight{name}", weight, 0, float("inf"))


def labels_for(loss: str, y: Any, model: Model, name: str = "") -> None:
    """Labels are in the range that the named loss expects."""
    outputs = model.n_outputs
    check_outputs(loss, outputs, kind_of(loss))
    if kind_of(loss) == "class":
        if not jnp.issubdtype(y.dtype, jnp.integer):
            raise ValueError(f"y{name}: expected integer labels for loss={loss!r}, got dtype {y.dtype}")
        if y.ndim != 1:
            raise ValueError(f"y{name}: expected shape [n] for loss={loss!r}, got {list(y.shape)}")
        low, high = 0, outputs - 1
    elif kind_of(loss) == "binary":
        if y.ndim == 1 and outputs != 1:
            raise ValueError(f"y{name}: expected shape [n, {outputs}] for loss={loss!r}, got {list(y.shape)}")
        low, high = 0, 1
    elif kind_of(loss) == "sign":
        if not is_traced(y) and not (good := np.isin(np.asarray(y), (-1, 1))).all():
            where = tuple(int(i) for i in np.argwhere(~good)[0])
            raise ValueError(
                f"y{name}: expected labels -1 or 1 for loss={loss!r}, got {np.asarray(y)[where]} at {list(where)}"
            )
        return
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
            f"got {host[where]!s} at {list(where)}"
        )
