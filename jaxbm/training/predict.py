"""Predict and evaluate in blocks, so that memory stays bounded however many rows there are.

Compiled shapes are few: row counts are filled up to the next power of two, so that a training and a test set of
about the same size, or of a few hundred rows, share one compiled program. A handful of rows and some dozens, which is
what a model that serves is asked for, have programs of their own.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm import kernels
from jaxbm.core import arrays, checks, forks
from jaxbm.core import rows as row_trees
from jaxbm.core.calls import helpful
from jaxbm.core.settings import on_purpose
from jaxbm.core.weights import scaled
from jaxbm.kernels.mlp import apply as apply_mlp
from jaxbm.kernels.mlp import few
from jaxbm.metrics import heeds_weights
from jaxbm.models.mlp import MLP
from jaxbm.models.outputs import outputs_of
from jaxbm.models.protocol import Model, Params, as_model, check_features
from jaxbm.run import row_checks
from jaxbm.run.contract import Loss, Metric
from jaxbm.run.conversions import loss_function, metric_for, metric_functions
from jaxbm.run.inputs import check_counted, check_measured, one_array_of_labels
from jaxbm.run.measuring import measured

FEW, SMALLEST_BLOCK = (8, 64), 512
"""So few rows the compiled kernel need not have filled up any further, which would take longer than they do."""


@helpful
@on_purpose
def predict(model: Model, params: Params, x: Any, *, batch_size: int = 4096) -> np.ndarray:
    """The model's logits for every row.

    Args:
      model, params: the network.
      x: float `[n, in]`, or a pytree of features such as the model takes, on the host or a device; only `batch_size`
        rows at a time are on the device.
      batch_size: most rows per compiled call; blocks are filled up.

    Returns:
      float numpy array `[n, out]`, or `[n, ..., out]` where a model of one's own gives more axes.

    Raises:
      ValueError, TypeError: `model` is none or gives other outputs than its `n_outputs` says, `params` are another's,
        `x` doesn't fit it, or `batch_size` is not positive.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> model = jaxbm.MLP((4, 8, 1))
      >>> jaxbm.predict(model, model.init(jax.random.key(0)), np.ones((10, 4), "float32")).shape
      (10, 1)
    """
    found = _given(model, params, x, batch_size)
    return found if type(model) is MLP else outputs_of(model, found, len(found))


def _given(model: Model, params: Params, x: Any, batch_size: int) -> np.ndarray:
    """`predict` as the model gives it: of one output a loss was trained with `[n]` where that is what it gives."""
    block = checks.positive_int("batch_size", batch_size)
    if (found := _logits_of_few(model, params, x, block)) is not None:
        return found
    as_model(model).check_params(params)
    return logits_by_blocks(model, params, features_on_host(model, x), block)


@on_purpose
def logits_by_blocks(model: Model, params: Params, rows: Any, most: int = 4096) -> np.ndarray:
    """`predict` of features that `features_on_host` has checked, at most so many rows in a call."""
    if (found := _logits_of_few(model, params, rows, most)) is not None:
        return found
    if forks.is_forked() and type(model) is MLP and _is_by_kernel(model):  # without JAX, which would wait for ever
        found = few.logits(model, params, np.asarray(rows, np.float32))
        if found is not None:
            return found
    forks.check()
    n = row_trees.count(rows)
    sizes = (block for block in FEW if n <= block and _is_by_kernel(model))  # type: ignore[arg-type]  # hashable
    block = min(most, next(sizes, _filled(n)))
    out = np.empty((n, model.n_outputs), np.dtype(model.param_dtype))
    for start in range(0, n, block):
        part = row_trees.take(rows, slice(start, start + block))
        found = np.asarray(_apply(model, params, row_trees.filled(part, block)))
        outputs_of(model, found, block)
        if not start and found.shape[1:] != out.shape[1:]:
            out = np.empty((n, *found.shape[1:]), out.dtype)
        out[start : start + block] = found[: n - start]
    return out


def _logits_of_few(model: Any, params: Params, x: Any, most: int) -> np.ndarray | None:
    """Logits of a few rows that are what the compiled kernel takes, with as little around its call as can be: it is
    shorter than the checks. None where there is more to do."""
    if type(model) is not MLP or type(x) is not np.ndarray or x.dtype != np.float32 or x.shape[1:] != model.sizes[:1]:
        return None
    n, block = len(x), FEW[len(x) > FEW[0]]
    if not 0 < n <= block <= most or not _is_by_kernel(model):
        return None
    if (found := few.logits(model, params, x)) is not None:
        return found
    forks.check()
    rows = x
    if n < block:
        rows = np.empty((block, x.shape[1]), np.float32)
        rows[:n], rows[n:] = x, x[-1]
    try:  # what `params` are is checked where their shapes' program is traced
        return np.array(np.asarray(_apply(model, params, rows))[:n], model.param_dtype)
    except Exception:
        model.check_params(params)
        raise


def call_for_few(model: MLP, n: int) -> few.Rows | None:
    """A call of the compiled kernel for so many rows, as few as it takes without JAX; None where there is none."""
    return few.of_rows(model, n) if 0 < n <= FEW[-1] and _is_by_kernel(model) else None


def features_on_host(model: Model, x: Any) -> Any:
    """Features as NumPy's arrays, of the form and the shapes that the model takes.

    Raises:
      ValueError, TypeError: they are not.
    """
    rows = row_trees.on_host("x", x)
    check_features("x", rows, model)
    if model.float_features and rows.dtype.kind in "biu":  # as wide as they are: in 32 bits large ones would wrap
        return rows.astype(np.dtype(model.param_dtype))
    row_trees.check_integers("x", rows)
    return rows


@helpful
def evaluate(
    model: Model,
    params: Params,
    x: Any,
    y: Any,
    *,
    loss: str | Loss,
    metrics: Sequence[str | Metric] | Mapping[str, str | Metric] = (),
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
    logits = _given(model, params, x, batch_size)
    return score(model, logits, y, loss=loss, metrics=metrics, sample_weight=sample_weight)


@on_purpose
def score(
    model: Model,
    logits: np.ndarray,
    y: Any,
    *,
    loss: str | Loss,
    metrics: Sequence[str | Metric] | Mapping[str, str | Metric] = (),
    sample_weight: ArrayLike | None = None,
) -> dict[str, float]:
    """`evaluate` for logits that `predict` already gave."""
    function = loss_function("loss", loss)
    labels, n = row_trees.on_host("y", y), len(logits)
    for path, leaf in row_trees.named("y", labels):
        if leaf.ndim == 0 or len(leaf) != n:
            raise ValueError(f"{path}: expected {n} rows like x, got shape {list(leaf.shape)}")
        checks.finite(path, leaf)
    if not n:
        raise ValueError("x: expected at least one row, got none")
    if not row_trees.is_tree(labels):
        labels = one_array_of_labels(labels, model, loss)
    weight = None if sample_weight is None else np.asarray(scaled(arrays.host_real("sample_weight", sample_weight)))
    if weight is not None and weight.shape != (n,):
        raise ValueError(f"sample_weight: expected shape [{n}], got {list(weight.shape)}")
    if weight is not None:
        checks.finite("sample_weight", weight)
        checks.in_range("sample_weight", weight, 0, float("inf"))
        check_counted(weight)
    row_checks.labels_for(loss, labels, model)
    row_trees.check_integers("y", labels)
    check_measured(metrics, labels, model, loss)
    table = {name: metric_for(metric, loss) for name, metric in metric_functions("metrics", metrics)}
    if all(heeds_weights(metric) for metric in table.values()):
        # A user's own metric need not heed weights; ours do, so rows of weight zero may be added.
        rows = _filled(n)
        weight = np.pad(np.ones(n, np.float32) if weight is None else weight, (0, rows - n))
        logits, labels = row_trees.filled(logits, rows), row_trees.filled(labels, rows)
    values = _measure(function, tuple(table.items()), logits, labels, weight)
    return {name: float(values[name]) for name in ("loss", *table)}  # jit sorts a dictionary's names


@lru_cache(maxsize=256)
def _is_by_kernel(model: Any) -> bool:
    """Whether every number of rows gives the same bits, and so may have a program of its own."""
    return apply_mlp.slower(model) is None


def _filled(rows: int) -> int:
    return max(SMALLEST_BLOCK, 1 << (rows - 1).bit_length())


@partial(jax.jit, static_argnums=0)
def _apply(model: Model, params: Params, x: Any) -> Array:
    return kernels.apply(model, params, x)


@partial(jax.jit, static_argnums=(0, 1))
def _measure(
    loss: Loss, metrics: tuple[tuple[str, Metric], ...], logits: Array, labels: Any, weight: Array | None
) -> dict[str, Any]:
    return measured(loss, metrics, logits, labels, weight)
