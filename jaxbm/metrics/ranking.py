"""Metrics of the order in which scores put the examples.

A NaN among the scores of rows that have weight gives NaN: it has no place in the order.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core.arrays import joined
from jaxbm.core.calls import helpful
from jaxbm.core.counts import BLOCK
from jaxbm.metrics.arguments import (
    Codes,
    codes,
    divide,
    if_any,
    of_columns,
    real,
    refuse,
    row_weights,
    same_rows,
    unless,
)


@helpful
def roc_auc(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Area under the ROC curve, exact with ties (each counts half); NaN when only one class has weight.

    Args:
      scores: `[n]` or `[n, 1]` for two classes, or `[n, k]`: then the mean of each class against the rest, or of
        each label.
      labels: 0 or 1 (or -1 or 1) `[n]`; of scores `[n, k]` class numbers `[n]`, or 0 and 1 `[n, k]`, several labels a
        row.
      weights: `[n]`, nonnegative.

    Raises:
      ValueError: shapes don't fit, or a label is no class.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.roc_auc(jnp.asarray([0.1, 0.4, 0.35, 0.8]), jnp.asarray([0, 0, 1, 1])))
      0.75
    """
    return _ranked(_area, scores, labels, weights)


@helpful
def average_precision(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """`sum((recall_k - recall_(k-1)) * precision_k)` over the thresholds; 0 without positive labels, NaN
    where no row has weight.

    Arguments and errors as for `roc_auc`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> scores, labels = jnp.asarray([0.1, 0.4, 0.35, 0.8]), jnp.asarray([0, 0, 1, 1])
      >>> round(float(jaxbm.metrics.average_precision(scores, labels)), 4)
      0.8333
    """
    return _ranked(_precision, scores, labels, weights)


class _Order(NamedTuple):
    """Where the rows stand when they are sorted by score, ascending; equal scores share a range of places."""

    start: Array
    """int32 `[n]`: the first place of the row's score"""
    end: Array
    """and one behind all that hold anything of it"""
    place: Array
    """where its weight is put: no place has that of more than `BLOCK` rows, or about `sqrt(n)`"""


def _area(order: _Order, pos: Array, neg: Array) -> Array:
    below = _sums(neg, order.place)
    pairs = (pos * (below[order.start] + below[order.end]) / 2).sum()
    return pairs / (pos.sum() * neg.sum())


def _precision(order: _Order, pos: Array, neg: Array) -> Array:
    # At each score as the threshold, everything not below it is predicted positive.
    hits, chosen = (_sums(w, order.place, reverse=True)[order.start] for w in (pos, pos + neg))
    return if_any(pos + neg, divide((pos * divide(hits, chosen)).sum(), pos.sum()))


def _sums(w: Array, place: Array, *, reverse: bool = False) -> Array:
    """`[n + 1]`: the weight of all rows whose place is below each; with `reverse` of those at it and above."""
    each = jnp.zeros_like(w).at[place].add(w)
    zero = jnp.zeros(1, w.dtype)
    if reverse:
        return jnp.concatenate([jnp.cumsum(each[::-1])[::-1], zero])
    return jnp.concatenate([zero, jnp.cumsum(each)])


def _ranked(
    metric: Callable[[_Order, Array, Array], Array], scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> Array:
    scores, labels = same_rows("scores", real("scores", scores), labels)
    w = row_weights(weights, scores)
    found = codes("labels", labels)
    several = scores.ndim == 2 and labels.ndim == 1
    known, expected = _known(found, scores.shape[1] if several else None)
    refuse("labels", labels, known, w, expected)

    def one(score: Array, positive: Array) -> Array:
        pos, neg = (jnp.where(mine, w, 0) for mine in (positive, ~positive))
        value = metric(_order(score), pos, neg)
        numbers = ~jnp.isnan(score) if jnp.issubdtype(score.dtype, jnp.floating) else jnp.ones(score.shape, bool)
        return unless(numbers, w, value)

    if scores.ndim == 1:
        value = one(scores, found.number == 1)
    elif several:
        classes = jnp.arange(scores.shape[1], dtype=jnp.int32)
        value = jax.vmap(lambda s, c: one(s, found.number == c), (1, 0))(scores, classes).mean()
    else:
        value = of_columns(one, scores, found.number == 1)
    return unless(known, w, value)


def _known(found: Codes, classes: int | None) -> tuple[Array, str]:
    """Which labels are classes, and what they should be."""
    if classes is not None:
        return found.known & (found.number >= 0) & (found.number < classes), f"classes 0 to {classes - 1}"
    return found.known & (jnp.abs(found.number) <= 1), "0 or 1 (or -1 or 1)"


def _order(scores: Array) -> _Order:
    keys, n = sortable(scores), scores.shape[0]
    # On a CPU, XLA sorts one array of integers several times faster than floats or pairs. So no order is carried
    # along: each row finds where its own score begins in the sorted array.
    start = jnp.searchsorted(lax.sort(keys, is_stable=False), keys).astype(jnp.int32)
    if n <= BLOCK:
        return _Order(start, start + 1, start)
    # Weights of equal scores are spread over their places and added up by a tree: one after the other, in float32,
    # they would stop growing after 2**24 of them.
    ties = jnp.zeros(n, jnp.int32).at[start].add(1)[start]
    return _Order(start, start + ties, start + lax.iota(jnp.int32, n) % ties)


def sortable(scores: Array) -> Array:
    """Integers in the order of `scores`: equal where they are, both zeros alike, NaN above everything."""
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        return scores.astype(jnp.int32) if scores.dtype == bool else scores
    scores = scores.astype(joined(scores.dtype, jnp.float32))
    scores = jnp.where(scores == 0, 0, jnp.where(jnp.isnan(scores), jnp.nan, scores))
    bits = lax.bitcast_convert_type(scores, jnp.int32 if scores.dtype.itemsize == 4 else jnp.int64)
    # A float's bits read as an integer ascend with it where it is positive and descend where it is negative.
    return jnp.where(bits < 0, bits ^ jnp.iinfo(bits.dtype).max, bits)
