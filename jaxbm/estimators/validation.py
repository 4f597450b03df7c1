"""Validation scores of networks in training: accuracy or R2, as scikit-learn's `score` gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.estimators.rows import block_rows, blocks, dense
from jaxbm.estimators.tables import filled, packed
from jaxbm.models.mlp import MLP
from jaxbm.training.stacked import stacked_logits

CLASSES = ("binary", "multiclass", "multilabel")


class Part(NamedTuple):
    """Rows on the device, filled up; zero weight for what fills."""

    x: Array
    y: Array
    weight: Array
    start: Any
    """`[M]`, where network `k`'s rows begin"""
    count: Any


@dataclass(frozen=True)
class HeldOut:
    """Rows that networks are scored on, each network on a stretch of them.

    Args:
      kind: "binary", "multiclass", "multilabel" (labels as for training), "identity" or "exp" (regressions).
      parts: the rows; more than one where they are sparse and many.
      total: `[M, 1]`, the sum of weights, or `[M, out]`, the sum of squared deviations from the mean.
    """

    kind: str
    parts: Sequence[Any]
    total: np.ndarray

    @classmethod
    def of(cls, kind: str, x: Any, y: np.ndarray, weight: np.ndarray | None, lists: Sequence[np.ndarray]) -> HeldOut:
        """The rows `lists[k]` of a table for network `k`; one list for all of them where the table is kept sparse."""
        weight = np.ones(len(y), np.float32) if weight is None else weight
        totals = {id(part): _total(kind, y[part], weight[part]) for part in lists}
        total = np.stack([totals[id(part)] for part in lists])
        rows = block_rows(x)
        if rows is None:
            flat, start, count = packed(lists)
            arrays = jax.device_put([dense(x[flat]), y[flat], weight[flat]])
            return cls(kind, [Part(arrays[0], arrays[1], arrays[2], start, count)], total)
        return cls(kind, _Blocks(x[lists[0]], y[lists[0]], weight[lists[0]], rows, len(lists)), total)

    def scores(self, model: MLP, params: Any) -> np.ndarray:
        """float64 `[M]`: each network's score; NaN where a regression predicts something that is not finite."""
        found: Any = 0.0
        for part in self.parts:
            found = found + np.asarray(sums_of(self.kind, most_rows(part), model, params, part), np.float64)
        return score_of(self.kind, found, self.total)


def most_rows(part: Part) -> int:
    """A bound on the rows that a network is scored on, one of few."""
    return min(filled(int(part.count.max())), len(part.x))


def sums_of(kind: str, most: int, model: MLP, params: Any, part: Part) -> Array:
    """What `score_of` takes, of networks `params` on `part`."""
    logits = stacked_logits(model, params, part.x, part.start, part.count, most)
    return _sums(kind, most, logits, part.y, part.weight, part.start, part.count)


def score_of(kind: str, sums: Any, total: Any, xp: Any = np) -> Any:
    """`[M]`: accuracy or R2.

    Args:
      kind, total: as of `HeldOut`.
      sums: `[M, 1]` or `[M, out]`, see `_sums`.
      xp: `numpy` or `jax.numpy`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind in CLASSES:
            return (sums / total)[:, 0]
        r2 = xp.where(total == 0, xp.where(sums == 0, 1.0, 0.0), 1 - sums / total)
    return xp.where(xp.isfinite(sums), r2, xp.nan).mean(axis=1)


@dataclass(frozen=True)
class _Blocks(Sequence[Part]):
    """Sparse rows, made dense block by block each time that they are asked for."""

    x: Any
    y: np.ndarray
    weight: np.ndarray
    rows: int
    networks: int

    def __len__(self) -> int:
        return -(-len(self.y) // self.rows)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __iter__(self) -> Iterator[Part]:
        for i, x in enumerate(blocks(self.x, self.rows)):
            at, more = slice(i * self.rows, i * self.rows + len(x)), ((0, self.rows - len(x)), (0, 0))
            y, weight = (np.pad(a[at], more[: a.ndim]) for a in (self.y, self.weight))
            start = np.zeros(self.networks, np.int32)
            arrays = jax.device_put([np.pad(x, more), y, weight])
            yield Part(arrays[0], arrays[1], arrays[2], start, np.full(self.networks, len(x), np.int32))


def _total(kind: str, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    w = np.asarray(weight, np.float64)
    if kind in CLASSES:
        return w.sum(keepdims=True)
    labels = np.asarray(y, np.float64).reshape(len(y), -1)
    labels = labels - labels[:1]  # of equal ones the mean, rounded, may be another
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (w @ labels) / w.sum()
    return w @ np.square(labels - mean)


@partial(jax.jit, static_argnums=(0, 1))
def _sums(kind: str, most: int, logits: Array, y: Array, weight: Array, start: Array, count: Array) -> Array:
    """`[M, 1]`, the weight of the rows that are right, or `[M, out]`, the weighted squared residuals."""

    def one(logits: Array, start: Array, count: Array) -> Array:
        places = lax.iota(jnp.int32, most)
        index = jnp.clip(start + places, 0, y.shape[0] - 1)
        w, labels = jnp.where(places < count, weight[index], 0), y[index]
        if kind not in CLASSES:
            predictions = jnp.exp(logits) if kind == "exp" else logits
            squares = jnp.square(labels.reshape(logits.shape) - predictions)
            return jnp.where(w[:, None] == 0, 0, w[:, None] * squares).sum(axis=0)
        if kind == "multiclass":
            right = logits.argmax(axis=-1) == labels
        else:
            right = ((logits > 0) == (labels.reshape(logits.shape) > 0)).all(axis=-1)
        return jnp.where(right, w, 0).sum(keepdims=True)

    return jax.vmap(one)(logits, start, count)
