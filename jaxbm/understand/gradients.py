"""Integrated gradients: how much each feature of a row moves the output away from a baseline's."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core import arrays, checks
from jaxbm.core.brief import shown
from jaxbm.core.calls import helpful
from jaxbm.core.dataframe import tidy
from jaxbm.core.settings import promotes
from jaxbm.understand.columns import Groups, groups_of
from jaxbm.understand.predictor import Kind, Numbers, features_of, outputs, predictor_of

BLOCK_ROWS = 1 << 13
"""Points of paths whose gradients are taken at once."""


class CompletenessWarning(UserWarning):
    """Attributions do not add up to the difference of the outputs: the integral needs more steps."""


@dataclass(frozen=True)
class IntegratedGradients:
    """Each feature's share in each row's output; made by `integrated_gradients`."""

    attributions: np.ndarray
    """`[n, in]`"""
    difference: np.ndarray
    """`[n]`: the output of the row minus that of the baseline, which the attributions of a row add up to"""
    target: np.ndarray
    """int `[n]`: the output that is explained"""
    groups: Groups
    """the features of each column"""

    @property
    def gap(self) -> np.ndarray:
        """`[n]`: the sum of a row's attributions minus its `difference`: the error of the integral."""
        return self.attributions.sum(axis=1) - self.difference

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.groups)

    @property
    def by_column(self) -> np.ndarray:
        """`[n, columns]`: attributions, those of one column's features added up."""
        return np.stack([self.attributions[:, places].sum(axis=1) for places in self.groups.values()], axis=1)

    @property
    def mean_size(self) -> np.ndarray:
        """`[columns]`: the mean absolute attribution over the rows."""
        return np.abs(self.by_column).mean(axis=0)

    def table(self) -> Any:
        """A line for each row, a column for each of the table's."""
        return tidy(dict(zip(self.names, self.by_column.T, strict=True)))

    def __repr__(self) -> str:
        return shown(self)


@promotes
@helpful
def integrated_gradients(
    predictor: Any,
    x: Any,
    *,
    baseline: Any = None,
    target: ArrayLike | None = None,
    steps: int = 100,
    tolerance: float = 0.02,
    columns: Any = None,
    task: str | None = None,
    output: str | None = None,
) -> IntegratedGradients:
    r"""Each feature's part in the difference between a row's output and the baseline's.

    For row `x`, baseline `b` and output `f` feature `i` gets
    `(x_i - b_i) * integral over a in [0, 1] of df/dx_i(b + a (x - b))`, by Gauss-Legendre quadrature. A row's
    attributions add up to `f(x) - f(b)`, which is checked.

    Args:
      predictor: a pair `(model, params)`, an `Ensemble`, or what `jaxbm.load` or `jaxbm.load_members` returns.
      x: features, float `[n, in]`; for a saved model with its preparation also a table.
      baseline: `[in]`, `[n, in]` or a table of one row or n; zeros by default, with standardised features the row in
        the middle of the training data.
      target: the output to explain, an integer or `[n]` of them; by default the largest of several.
      steps: points of the quadrature.
      tolerance: how large the largest gap may be, as a fraction of the largest difference, before a warning.
      columns: what `by_column` tells, as for `permutation_importance`.
      task, output: "classification" or "regression"; "raw" or "probability": what is explained. By default
        probabilities of a saved classifier, else raw outputs.

    Returns:
      An `IntegratedGradients`.

    Raises:
      ValueError, TypeError: an argument is unusable.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> model = jaxbm.MLP((3, 8, 1), activation="tanh")
      >>> params = model.init(jax.random.key(0))
      >>> x = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
      >>> found = jaxbm.understand.integrated_gradients((model, params), x)
      >>> found.attributions.shape, bool(np.abs(found.gap).max() < 1e-5)
      ((10, 3), True)

    Source: Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (2017).
    """
    asked = predictor_of(predictor, task, output)
    rows = features_of(asked, x)
    checks.finite("x", rows)
    checks.one_number("tolerance", tolerance)
    checks.in_range("tolerance", tolerance, 0, float("inf"))
    groups = groups_of(asked, rows.shape[1], columns)
    start = np.zeros(rows.shape[1], rows.dtype) if baseline is None else _baseline(asked, baseline, rows)
    start = np.broadcast_to(start, rows.shape)
    chosen = _target(asked, target, rows)
    nodes, weights = np.polynomial.legendre.leggauss(checks.positive_int("steps", steps))
    together = max(1, min(steps, BLOCK_ROWS // len(rows)))
    more = -steps % together
    points = np.pad((nodes + 1) / 2, (0, more)).reshape(-1, together).astype(np.float32)
    shares = np.pad(weights / 2, (0, more)).reshape(-1, together).astype(np.float32)
    attributions, difference = _integrals(asked.kind, asked.numbers, rows, start, chosen, points, shares)
    found = IntegratedGradients(np.asarray(attributions), np.asarray(difference), chosen, groups)
    worst, largest = float(np.abs(found.gap).max()), float(np.abs(found.difference).max())
    if worst > tolerance * largest:
        warnings.warn(
            f"attributions of a row miss the difference of its outputs by up to {worst:.3g}, where the largest "
            f"difference is {largest:.3g}; take more than steps={steps}",
            CompletenessWarning,
            stacklevel=2,
        )
    return found


@partial(jax.jit, static_argnums=0)
def _integrals(
    kind: Kind, numbers: Numbers, x: Array, start: Array, target: Array, points: Array, shares: Array
) -> tuple[Array, Array]:
    def picked(rows: Array, target: Array) -> Array:
        values = outputs(kind, numbers, rows, plain=True)
        return jnp.take_along_axis(values, target[:, None], axis=1)[:, 0]

    # A row's output depends on that row alone, so the gradient of the sum holds each row's own.
    gradient = jax.grad(lambda rows, target: picked(rows, target).sum())
    way = x - start

    def add(total: Array, step: tuple[Array, Array]) -> tuple[Array, None]:
        at, share = step
        rows = (start + at[:, None, None] * way).reshape(-1, x.shape[1])
        slopes = gradient(rows, jnp.tile(target, at.shape[0])).reshape(at.shape[0], *x.shape)
        return total + jnp.tensordot(share.astype(slopes.dtype), slopes, axes=1), None

    total, _ = lax.scan(add, jnp.zeros_like(way), (points.astype(x.dtype), shares.astype(x.dtype)))
    return total * way, picked(x, target) - picked(start, target)


def _baseline(asked: Any, baseline: Any, rows: np.ndarray) -> np.ndarray:
    if hasattr(baseline, "columns"):
        baseline = features_of(asked, baseline)
    start = arrays.host_real("baseline", baseline).astype(rows.dtype)
    checks.finite("baseline", start)
    if start.shape not in ((rows.shape[1],), (1, rows.shape[1]), rows.shape):
        raise ValueError(f"baseline: expected shape [{rows.shape[1]}] or {list(rows.shape)}, got {list(start.shape)}")
    return start


def _target(asked: Any, target: Any, rows: np.ndarray) -> np.ndarray:
    """int32 `[n]`."""
    shape = jax.eval_shape(partial(outputs, asked.kind), asked.numbers, jax.ShapeDtypeStruct(rows.shape, rows.dtype))
    count = shape.shape[1]
    if target is None:
        if count == 1:
            return np.zeros(len(rows), np.int32)
        return np.asarray(_largest(asked.kind, asked.numbers, rows), np.int32)
    chosen = np.asarray(target)
    if chosen.shape not in ((), (len(rows),)) or chosen.dtype.kind not in "iu":
        raise ValueError(
            f"target: expected an integer or [{len(rows)}] of them, got {chosen.dtype} of shape {list(chosen.shape)}"
        )
    if chosen.min() < 0 or chosen.max() >= count:
        raise ValueError(f"target: expected 0 to {count - 1}, got {int(chosen.min())} to {int(chosen.max())}")
    return np.broadcast_to(chosen.astype(np.int32), (len(rows),))


@partial(jax.jit, static_argnums=0)
def _largest(kind: Kind, numbers: Numbers, x: Array) -> Array:
    return outputs(kind, numbers, x).argmax(axis=1)
