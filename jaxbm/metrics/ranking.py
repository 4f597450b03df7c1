"""Metrics of the order in which scores put the examples.

A NaN among the scores of rows that have weight gives NaN: it has no place in the order.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core.arrays import joined, real
from jaxbm.metrics.arguments import Codes, codes, divide, of_columns, refuse, row_weights, same_rows, unless


def roc_auc(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Area under the ROC curve, exact with ties (each counts half); NaN when only one class has weight.

    Args:
      scores: `[n]` for two classes, or `[n, k]`: then the mean of each class against the rest, or of each label.
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


def average_precision(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """`sum((recall_k - recall_(k-1)) * precision_k)` over the thresholds; 0 without positive labels.

    Arguments and errors as for `roc_auc`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> scores, labels = jnp.asarray([0.1, 0.4, 0.35, 0.8]), jnp.asarray([0, 0, 1, 1])
      >>> round(float(jaxbm.metrics.average_precision(scores, labels)), 4)
      0.8333
    """
    return _ranked(_precision, scores, labels, weights)


def _area(pos: Array, neg: Array) -> Array:
    pairs = (pos * (jnp.cumsum(neg) - neg / 2)).sum()
    return pairs / (pos.sum() * neg.sum())


def _precision(pos: Array, neg: Array) -> Array:
    # At each score as the threshold, everything not below it is predicted positive.
    hits, chosen = (jnp.cumsum(w[::-1])[::-1] for w in (pos, pos + neg))
    return divide((pos * divide(hits, chosen)).sum(), pos.sum())


def _ranked(
    metric: Callable[[Array, Array], Array], scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> Array:
    scores = real("scores", scores)
    labels = same_rows("scores", scores, labels)
    w = row_weights(weights, scores)
    found = codes("labels", labels)
    several = scores.ndim == 2 and labels.ndim == 1
    known, expected = _known(found, scores.shape[1] if several else None)
    refuse("labels", labels, known, w, expected)

    def one(score: Array, positive: Array) -> Array:
        value = metric(*_by_score(score, positive, w))
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


def _by_score(scores: Array, positive: Array, w: Array) -> tuple[Array, Array]:
    """Weights of positive and of negative examples, summed by score: `[n]` each, scores ascending, gaps zero."""
    keys = sortable(scores)
    # On a CPU, XLA sorts one array of integers several times faster than floats or pairs. So no order is carried
    # along: the weights go to the place where their own score begins in the sorted array.
    place = jnp.searchsorted(lax.sort(keys, is_stable=False), keys)
    pos, neg = (jnp.zeros_like(w).at[place].add(jnp.where(mine, w, 0)) for mine in (positive, ~positive))
    return pos, neg


def sortable(scores: Array) -> Array:
    """Integers in the order of `scores`: equal where they are, both zeros alike, NaN above everything."""
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        return scores.astype(jnp.int32) if scores.dtype == bool else scores
    scores = scores.astype(joined(scores.dtype, jnp.float32))
    scores = jnp.where(scores == 0, 0, jnp.where(jnp.isnan(scores), jnp.nan, scores))
    bits = lax.bitcast_convert_type(scores, jnp.int32 if scores.dtype.itemsize == 4 else jnp.int64)
    # A float's bits read as an integer ascend with it where it is positive and descend where it is negative.
    return jnp.where(bits < 0, bits ^ jnp.iinfo(bits.dtype).max, bits)
