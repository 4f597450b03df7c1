"""Predict and evaluate in blocks, so that memory stays bounded however many rows there are.

Compiled shapes are few: row counts are filled up to the next power of two, so that a training and a test set of
about the same size, or of a few hundred rows, share one compiled program.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm import kernels
from jaxbm.core import checks
from jaxbm.core.labels import as_rows
from jaxbm.core.names import lookup
from jaxbm.losses import LOSSES, kind_of
from jaxbm.metrics import heeds_weights
from jaxbm.models.protocol import Model, Params, rows_text
from jaxbm.run import loop, row_checks
from jaxbm.run.contract import Loss, Metric
from jaxbm.run.inputs import check_counted, check_measured
from jaxbm.run.options import metric_for, metric_functions
from jaxbm.run.weights import example_weights

SMALLEST_BLOCK = 512


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
    rows = np.asarray(x)
    if rows.ndim == 0 or rows.shape[1:] != model.input_shape:
        raise ValueError(f"x: expected shape {rows_text(model)} for {model.title}, got {list(rows.shape)}")
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
    labels = as_rows(np.asarray(y), model.n_outputs, kind_of(loss))
    if labels.ndim == 0 or len(labels) != len(logits):
        raise ValueError(f"y: expected {len(logits)} rows like x, got shape {list(labels.shape)}")
    if not len(labels):
        raise ValueError("x: expected at least one row, got none")
    weight = None if sample_weight is None else np.asarray(example_weights(sample_weight))
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
    record = {"loss": loop.ratio(*loop.weighted_sums(loop.example_losses(loss, logits, labels), weight))}
    squeezed = loop.match_labels(logits, jnp.asarray(labels))
    return record | {name: metric(squeezed, labels, weight) for name, metric in metrics}
