"""The one rule for labels: which shapes stand for one label a row, and which class a label names.

Losses and metrics are strict: `[n, 1]` against `[n]` is an error there. At the boundary of training and evaluation a
column of labels for one output, or of class numbers, is taken as `[n]`, whatever the loss, the metrics and the way to
validate; after that nothing else is ever reshaped.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.arrays import host_real
from jaxbm.core.checks import bad_value, is_traced

OF_CLASSES = ("binary", "sign", "class", "rank")
"""Kinds of labels that name a class for each row, see `jaxbm.losses.LABELS`."""


def as_rows(y: Any, columns: int) -> Any:
    """`y`, with a column `[n, 1]` of one label for each row as `[n]`.

    Args:
      y: labels; any array.
      columns: how many labels a row has, see `jaxbm.losses.columns_of`.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.labels import as_rows
      >>> as_rows(np.ones((5, 1)), 1).shape, as_rows(np.ones((5, 1)), 3).shape
      ((5,), (5, 1))
    """
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 and columns == 1 else y


def host_classes(name: str, y: Any, rows: int, classes: int) -> np.ndarray:
    """int64 `[rows]` on the host, from labels `[rows]` or `[rows, 1]`, each one of the classes.

    Raises:
      ValueError: the shape doesn't fit, or a label is none of the classes.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.labels import host_classes
      >>> host_classes("y", np.asarray([[0.0], [2.0]]), 2, 3).tolist()
      [0, 2]
    """
    labels = as_rows(host_real(name, y), 1)
    if labels.shape != (rows,):
        raise ValueError(f"{name}: expected labels of shape [{rows}] like x, got {list(labels.shape)}")
    good = np.isin(labels, np.arange(classes))
    if not good.all():
        raise bad_value(name, f"classes 0 to {classes - 1}", labels, ~good)
    return labels.astype(np.int64)


def check_outputs(loss: str, outputs: int, kind: str | None) -> None:
    """ValueError where the loss compares classes and the model has one output, or risks and it has several."""
    if kind == "event" and outputs != 1:
        raise ValueError(f"loss: {loss!r} expects one output, the logarithm of a risk, got a model with {outputs}")
    if outputs == 1 and kind in ("class", "distribution"):
        raise ValueError(
            f"loss: {loss!r} expects an output for each class, got a model with 1 output; "
            "use 'sigmoid_binary_cross_entropy' for two classes, or a model with more outputs"
        )


def class_codes(y: Any, kind: str | None, classes: int) -> Array:
    """int32 `[n]`: the class that each row's label names; where labels are signs, -1 is class 0 and 1 class 1.

    Raises:
      ValueError: labels name no classes: they are quantities, have several columns, or lie between classes.
    """
    if kind is not None and kind not in OF_CLASSES:
        raise ValueError(f"class_weight: expected a loss whose labels name a class, got one whose labels are {kind}")
    if y.ndim != 1:
        raise ValueError(f"class_weight: expected labels of shape [n], got {list(y.shape)}")
    if not is_traced(y):
        host = np.asarray(y, np.float64)
        good = np.isin(host, (-1, 1)) if kind == "sign" else np.isin(host, np.arange(classes))
        if not good.all():
            expected = "-1 or 1" if kind == "sign" else f"0 to {classes - 1}"
            raise bad_value("class_weight", f"classes {expected} as labels", np.asarray(y), ~good)
    y = jnp.asarray(y)
    return (y > 0).astype(jnp.int32) if kind == "sign" else y.astype(jnp.int32)
