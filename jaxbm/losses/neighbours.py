"""Losses of embeddings: rows that belong together shall lie nearer to each other than to others."""

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core.arrays import as_array
from jaxbm.core.calls import helpful
from jaxbm.core.settings import whole_on_each
from jaxbm.losses.arguments import floating, number, row_weights

ANCHORS = 256
"""Rows whose distances to all others are held at once."""


@helpful
def triplet_hard_loss(
    embeddings: ArrayLike, labels: ArrayLike, margin: float = 1.0, *, weights: ArrayLike | None = None
) -> Array:
    """`max(0, margin + distance to the farthest row of one's own group - distance to the nearest of another)`.

    Distances are Euclidean. The rows of a batch are each other's triplets, so a row's loss depends on all of it; it
    is 0 for a row that is alone in its group, or has no other group to be told from.

    Args:
      embeddings: floating point `[n, dim]`.
      labels: integers `[n]`: rows with the same one belong together.
      margin: how much nearer one's own group shall be.
      weights: `[n]`: a row of weight 0 is nobody's neighbour; otherwise they make no difference here.

    Returns:
      `[n]`.

    Raises:
      ValueError: the shapes don't fit, embeddings are not floating point, or labels are not integers.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> places = jnp.asarray([[0.0], [1.0], [1.5]])
      >>> [round(loss, 3) for loss in jaxbm.losses.triplet_hard_loss(places, jnp.asarray([7, 7, 9])).tolist()]
      [0.5, 1.5, 0.0]

    Source: Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for Person Re-Identification" (2017), eq. 5.
    """
    # Rows are compared with each other: those of an explicit mesh are on each device whole.
    embeddings, labels = whole_on_each((floating("embeddings", embeddings), as_array("labels", labels)))
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"labels: expected shape [n] of embeddings [n, dim], got {list(labels.shape)} of {list(embeddings.shape)}"
        )
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels: expected integers, got dtype {labels.dtype}")
    gap = number("margin", margin, jnp.zeros((), embeddings.dtype), low=0, ends=True)
    n = embeddings.shape[0]
    counts = whole_on_each(row_weights(weights, embeddings)) > 0
    places = lax.iota(jnp.int32, n)

    def of(anchor: tuple[Array, Array, Array]) -> Array:
        embedding, label, place = anchor
        squares = jnp.square(embedding[None] - embeddings).sum(axis=-1)
        own = (labels == label) & (places != place) & counts
        other = (labels != label) & counts
        far = jnp.where(own, squares, 0).max(initial=0)
        near = jnp.where(other, squares, jnp.inf).min(initial=jnp.inf)
        complete = own.any() & other.any()
        hard = _root(far) - _root(jnp.where(complete, near, 0)) + gap
        return jnp.where(complete, jnp.maximum(hard, 0), 0)

    return lax.map(of, (embeddings, labels, places), batch_size=min(n, ANCHORS) or None)


def _root(square: Array) -> Array:
    """The square root, with the derivative 0 at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)
