"""Metrics of the order in which scores put the examples."""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.metrics.arguments import divide, row_weights, same_rows


def roc_auc(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Area under the ROC curve, exact with ties (each counts half); NaN when only one class has weight.

    Args:
      scores: `[n]` for labels 0 and 1, or `[n, classes]`: then the mean of each class against the rest.
      labels: class numbers `[n]`.
      weights: `[n]`, nonnegative.

    Raises:
      ValueError: shapes don't fit.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> float(jaxbm.metrics.roc_auc(jnp.asarray([0.1, 0.4, 0.35, 0.8]), jnp.asarray([0, 0, 1, 1])))
      0.75
    """
    scores = jnp.asarray(scores)
    if scores.ndim == 2:
        labels = jnp.asarray(labels)
        classes = jnp.arange(scores.shape[1])
        each = jax.vmap(lambda s, c: roc_auc(s, labels == c, weights=weights), (1, 0))(scores, classes)
        return each.mean()
    pos, neg = _by_score(scores, labels, weights)
    pairs = (pos * (jnp.cumsum(neg) - neg / 2)).sum()
    return pairs / (pos.sum() * neg.sum())


def average_precision(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """`sum((recall_k - recall_(k-1)) * precision_k)` over the thresholds; 0 without positive labels.

    Arguments as for the binary `roc_auc`.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> scores, labels = jnp.asarray([0.1, 0.4, 0.35, 0.8]), jnp.asarray([0, 0, 1, 1])
      >>> round(float(jaxbm.metrics.average_precision(scores, labels)), 4)
      0.8333
    """
    pos, neg = _by_score(scores, labels, weights)
    # At each score as the threshold, everything not below it is predicted positive.
    hits, chosen = (jnp.cumsum(w[::-1])[::-1] for w in (pos, pos + neg))
    return divide((pos * divide(hits, chosen)).sum(), pos.sum())


def _by_score(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array]:
    """Weights of positive and of negative examples, summed by score: `[n]` each, scores ascending, gaps zero."""
    scores = jnp.asarray(scores)
    same_rows("scores", scores, labels)
    keys = _sortable(scores)
    # On a CPU, XLA sorts one array of integers several times faster than floats or pairs. So no order is carried
    # along: the weights go to the place where their own score begins in the sorted array.
    place = jnp.searchsorted(lax.sort(keys, is_stable=False), keys)
    positive, w = jnp.asarray(labels) == 1, row_weights(weights, scores)
    pos, neg = (jnp.zeros_like(w).at[place].add(jnp.where(mine, w, 0)) for mine in (positive, ~positive))
    return pos, neg


def _sortable(scores: Array) -> Array:
    """Integers in the order of `scores`: equal where they are, both zeros alike, NaN above everything."""
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        return scores.astype(jnp.int32) if scores.dtype == bool else scores
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    scores = jnp.where(scores == 0, 0, jnp.where(jnp.isnan(scores), jnp.nan, scores))
    bits = lax.bitcast_convert_type(scores, jnp.int32 if scores.dtype.itemsize == 4 else jnp.int64)
    # A float's bits read as an integer ascend with it where it is positive and descend where it is negative.
    return jnp.where(bits < 0, bits ^ jnp.iinfo(bits.dtype).max, bits)
