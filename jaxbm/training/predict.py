"""Predict and evaluate in blocks, so that memory stays bounded however many rows there are.

Compiled shapes are few: row counts are filled up to the next power of two, so that a training and a test set of
about the same size, or of a few hundred rows, share one compiled program.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm import kernels
from jaxbm.core import arrays, checks
from jaxbm.core.labels import as_rows
from jaxbm.core.names import lookup
from jaxbm.core.settings import on_purpose
from jaxbm.core.weights import scaled
from jaxbm.losses import LOSSES, kind_of
from jaxbm.metrics import heeds_weights
from jaxbm.models.protocol import Model, Params, rows_text
from jaxbm.run import row_checks
from jaxbm.run.contract import Loss, Metric
from jaxbm.run.inputs import check_counted, check_measured
from jaxbm.run.measuring import measured
from jaxbm.run.options import metric_for, metric_functions

SMALLEST_BLOCK = 512


@on_purpose
def predict(model: Model, params: Params, x: ArrayLike, *, batch_size: int = 4096) -> np.ndarray:
    """The model's logits for every row.

    Args:
      model, params: the network.
      x: float `[n, in]`, on the host or a device; only `batch_size` rows at a time are on the device.
      batch_size: most rows per compiled call; blocks are filled up.

    Returns:
      float numpy array `[n, out]`.

    Raises:
      ValueError: `x` doesn't fit the model, or `batch_size` is not positive.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> model = jaxbm.MLP((4, 8, 1))
      >>> jaxbm.predict(model, model.init(jax.random.key(0)), np.ones((10, 4), "float32")).shape
      (10, 1)
    """
    block = checks.positive_int("batch_size", batch_size)
    rows = arrays.host_real("x", x)
    if rows.ndim == 0 or rows.shape[1:] != model.input_shape:
        raise ValueError(f"x: expected shape {rows_text(model)} for {model.title}, got {list(rows.shape)}")
    if rows.dtype.kind in "biu":  # as wide as they are: in 32 bits large ones would wrap round
        rows = rows.astype(np.dtype(model.param_dtype))
    block = min(block, _filled(len(rows)))
    out = np.empty((len(rows), model.n_outputs), np.dtype(model.param_dtype))
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        filled = np.concatenate([part, np.zeros((block - len(part), *part.shape[1:]), part.dtype)])
        out[start : start + len(part)] = np.asarray(_apply(model, params, filled))[: len(part)]
    return out


def evaluate(
    model: Model,
    params: Params,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | Loss,
    metrics: Sequence[str] | Mapping[str, Metric] = (),
    sample_weight: ArrayLike | None = None,
    batch_size: int = 4096,
) -> dict[str, float]:
    """The loss and metrics over all rows, from one pass of `predict`.

    Args:
      model, params, x, batch_size: as for `predict`.
      y, loss, metrics, sample_weight: as for `fit`.

    Returns:
      `{"loss": ..., metric name: ...}` as Python floats.

    Raises:
      ValueError: shapes don't fit, or a name is unknown.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> model = jaxbm.MLP((4, 8, 1))
      >>> x, y = np.ones((10, 4), "float32"), np.ones(10)
      >>> sorted(jaxbm.evaluate(model, model.init(jax.random.key(0)), x, y, loss="squared_error", metrics=["mae"]))
      ['loss', 'mae']
    """
    logits = predict(model, params, x, batch_size=batch_size)
    return score(model, logits, y, loss=loss, metrics=metrics, sample_weight=sample_weight)


@on_purpose
def score(
    model: Model,
    logits: np.ndarray,
    y: ArrayLike,
    *,
    loss: str | Loss,
    metrics: Sequence[str] | Mapping[str, Metric] = (),
    sample_weight: ArrayLike | None = None,
) -> dict[str, float]:
    """`evaluate` for logits that `predict` already gave."""
    labels = as_rows(arrays.host_real("y", y), model.n_outputs, kind_of(loss))
    if labels.ndim == 0 or len(labels) != len(logits):
        raise ValueError(f"y: expected {len(logits)} rows like x, got shape {list(labels.shape)}")
    if not len(labels):
        raise ValueError("x: expected at least one row, got none")
    checks.finite("y", labels)
    weight = None if sample_weight is None else np.asarray(scaled(arrays.host_real("sample_weight", sample_weight)))
    if weight is not None and weight.shape != labels.shape[:1]:
        raise ValueError(f"sample_weight: expected shape [{len(labels)}], got {list(weight.shape)}")
    if weight is not None:
        checks.finite("sample_weight", weight)
        checks.in_range("sample_weight", weight, 0, float("inf"))
        check_counted(weight)
    if isinstance(loss, str):
        function = lookup("loss", loss, LOSSES)
        if kind_of(loss) != "class":
            labels = labels.astype(model.param_dtype)
        row_checks.labels_for(loss, labels, model)
    else:
        function = loss
    check_measured(metrics, labels, model, loss)
    table = {name: metric_for(metric, loss) for name, metric in metric_functions("metrics", metrics)}
    if all(heeds_weights(metric) for metric in table.values()):
        # A user's own metric need not heed weights; ours do, so rows of weight zero may be added.
        more = _filled(len(labels)) - len(labels)
        weight = np.pad(np.ones(len(labels), np.float32) if weight is None else weight, (0, more))
        logits, labels = (np.concatenate([a, np.repeat(a[-1:], more, axis=0)]) for a in (logits, labels))
    values = _measure(function, tuple(table.items()), logits, labels, weight)
    return {name: float(values[name]) for name in ("loss", *table)}  # jit sorts a dictionary's names


def _filled(rows: int) -> int:
    return max(SMALLEST_BLOCK, 1 << (rows - 1).bit_length())


@partial(jax.jit, static_argnums=0)
def _apply(model: Model, params: Params, x: Array) -> Array:
    return kernels.apply(model, params, x)


@partial(jax.jit, static_argnums=(0, 1))
def _measure(
    loss: Loss, metrics: tuple[tuple[str, Metric], ...], logits: Array, labels: Array, weight: Array | None
) -> dict[str, Any]:
    return measured(loss, metrics, logits, labels, weight)
