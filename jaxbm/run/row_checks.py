"""Checks of the rows of a run against the model and the loss."""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxbm.core import rows as row_trees
from jaxbm.core.checks import bad_value, finite, in_range, is_remembered, is_traced, remember
from jaxbm.core.labels import check_outputs
from jaxbm.core.settings import callers_level
from jaxbm.losses import KnownLoss, known
from jaxbm.models import habits
from jaxbm.models.protocol import Model, check_features

#: The numbers that labels of a kind may be, and whether the lower one itself may.
RANGES = {"count": (0.0, True), "amount": (0.0, False), "distribution": (0.0, True)}


def rows(name: str, x: Any, y: Any, weight: Any, model: Model) -> None:
    """Shapes of features, labels and weights fit each other and the model, and values are usable."""
    check_features(f"x{name}", x, model)
    habits.warn(model, x)
    n = row_trees.count(x)
    if n == 0:
        raise ValueError(f"x{name}: expected at least one row, got none")
    if row_trees.is_tree(x) or row_trees.is_tree(y):
        row_trees.same_count((f"x{name}", x), (f"y{name}", y))
    elif y.ndim == 0 or y.shape[0] != n:
        raise ValueError(
            f"y{name}: expected shape [{n}] or [{n}, {model.n_outputs}] like x{name}, got {list(y.shape)}"
        )
    for which, tree in ((f"x{name}", x), (f"y{name}", y)):
        for path, leaf in row_trees.named(which, tree):
            finite(path, leaf)
    if weight is not None:
        if weight.shape != (n,):
            raise ValueError(f"sample_weight{name}: expected shape [{n}], got {list(weight.shape)}")
        finite(f"sample_weight{name}", weight)
        in_range(f"sample_weight{name}", weight, 0, float("inf"))


def labels_for(loss: Any, y: Any, model: Model, name: str = "") -> None:
    """Labels are what a loss of the table takes: of its shape, its type and its range. Others know for themselves."""
    found, outputs = known(loss), model.n_outputs
    if found is None:
        return
    told = found.__name__
    if getattr(model, "output_activation", None) == "sigmoid" and "cross_entropy" in told:
        warnings.warn(
            f"model: loss={told!r} takes logits, and output_activation='sigmoid' makes probabilities of them; leave "
            "it out, and take jax.nn.sigmoid of predictions",
            UserWarning,
            stacklevel=callers_level(),
        )
    check_outputs(told, outputs, found.labels)
    columns = found.columns(outputs)
    if row_trees.is_tree(y):
        raise ValueError(f"y{name}: expected one array for loss={told!r}, got a {type(y).__name__} of arrays")
    if columns == 1 and y.ndim == 2 and y.shape[1] != 1:
        raise ValueError(f"y{name}: expected shape [n] for loss={told!r} and {outputs} outputs, got {list(y.shape)}")
    if y.shape[1:] != (() if columns == 1 else (columns,)):
        want = "[n]" if columns == 1 else f"[n, {columns}]"
        raise ValueError(f"y{name}: expected shape {want} for loss={told!r}, got {list(y.shape)}")
    if found.labels in ("class", "rank", "group") and not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"y{name}: expected integer labels for loss={told!r}, got dtype {y.dtype}")
    if not is_traced(y) and not is_remembered(f"labels of {found.labels}, {outputs}", y):
        _values(found, np.asarray(y), outputs, name)
        remember(f"labels of {found.labels}, {outputs}", y)


def _values(found: KnownLoss, host: np.ndarray, outputs: int, name: str) -> None:
    kind, after = found.labels, f"for loss={found.__name__!r}"
    if kind == "sign":
        good, expected = np.isin(host, (-1, 1)), f"labels -1 or 1 {after}"
    elif kind == "event":
        good, expected = host[:, 1:] == np.clip(host[:, 1:], 0, 1), f"0 to 1 in the second column {after}"
        good = np.concatenate([np.ones_like(good), good], axis=1)
    elif kind in RANGES:
        low, is_allowed = RANGES[kind]
        good = host >= low if is_allowed else host > low
        expected = f"labels that are {'not negative' if is_allowed else 'positive'} {after}"
    elif kind in ("class", "rank", "binary"):
        high = {"class": outputs - 1, "rank": outputs, "binary": 1}[kind]
        good, expected = (host >= 0) & (host <= high), f"labels 0 to {high} {after} and {outputs} outputs"
    else:
        return
    if not good.all():
        raise bad_value(f"y{name}", expected, host, ~good)


def teaches(loss: Any, y: Any) -> None:
    """ValueError where labels to train on make the loss zero whatever a model says. One row alone stands for many."""
    found = known(loss)
    if found is None or found.labels not in ("event", "group") or is_traced(y) or len(y) < 2:
        return
    missing = None
    if found.labels == "event" and not np.asarray(y)[:, 1].any():
        missing = "a row whose event was seen, 1 in the second column"
    elif found.labels == "group":
        counts = np.unique(np.asarray(y), return_counts=True)[1]
        if len(counts) < 2 or counts.max() < 2:
            missing = "two rows of one group and one of another"
    if missing is not None:
        raise ValueError(f"y: expected {missing}, for loss={found.__name__!r}, got none in {len(y)} rows")
