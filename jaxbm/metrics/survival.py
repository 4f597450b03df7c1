"""The metric of times until an event."""

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core.calls import helpful
from jaxbm.metrics.arguments import floats, refuse, row_weights, unless
from jaxbm.metrics.ranking import sortable


@helpful
def concordance_index(risks: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Share of comparable pairs in which the row whose event came first has the higher risk; equal risks count half.

    A pair is comparable where the event of the earlier row was seen. Of two rows with the same time it is where one
    event was seen and the other wasn't, whose is then the later one.

    Args:
      risks: `[n]`: the higher, the sooner the event.
      labels: `[n, 2]`: time, and 1 where the event was seen then, 0 where it wasn't until then.
      weights: `[n]`, nonnegative; a pair has the product of its rows'.

    Returns:
      A number: 1 for the right order, 0.5 for none; NaN without comparable pairs, or where a risk or a time is NaN.

    Raises:
      ValueError: the shapes don't fit, or a concrete second label is neither 0 nor 1.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> labels = jnp.asarray([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
      >>> float(jaxbm.metrics.concordance_index(jnp.asarray([2.0, 3.0, 1.0]), labels))
      0.5

    Source: Harrell, Lee and Mark, "Multivariable Prognostic Models" (1996), section 5.5.
    """
    risks, labels = floats("risks", risks), floats("labels", labels)
    if risks.ndim != 1 or labels.shape != (risks.shape[0], 2):
        raise ValueError(
            f"labels: expected shape [n, 2] of risks [n], got {list(labels.shape)} of {list(risks.shape)}"
        )
    w = row_weights(weights, risks)
    time, seen = labels[:, 0], labels[:, 1]
    known = (seen == 0) | (seen == 1)
    refuse("labels", labels, jnp.stack([jnp.ones_like(known), known], axis=1), w, "0 or 1 in the second column")
    order = jnp.lexsort((-seen, time))  # of equal times, events first
    risks_in_order, w_in_order, seen_in_order = risks[order], w[order], seen[order] == 1
    later = _first_later(time[order], seen[order])
    keys = sortable(risks_in_order)
    rank = jnp.searchsorted(lax.sort(keys, is_stable=False), keys).astype(jnp.int32)
    less, equal = _weights_below(rank, w_in_order, later)
    ends = jnp.concatenate([jnp.zeros(1, w.dtype), jnp.cumsum(w_in_order)])
    own = jnp.where(seen_in_order, w_in_order, 0)
    pairs = (own * (ends[-1] - ends[later])).sum()
    value = (own * (less + equal / 2)).sum() / pairs
    return unless(known & ~jnp.isnan(risks) & ~jnp.isnan(time), w, value)


def _first_later(time: Array, seen: Array) -> Array:
    """`[n]`: the place from which on rows are comparable with each, where rows stand by time, events first."""
    changes = (time[1:] != time[:-1]) | (seen[1:] != seen[:-1])
    group = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(changes, dtype=jnp.int32)])
    return jnp.searchsorted(group, group, side="right")


def _weights_below(rank: Array, weights: Array, start: Array) -> tuple[Array, Array]:
    """For each row the weights of the rows from place `start` on whose rank is less than its own, and equal to it.

    Bit by bit of the ranks, from the highest: rows are parted stably into those without and those with it, and each
    row's range of places follows its own rank (a wavelet matrix; Claude, Navarro and Ordonez, 2015). So it takes
    `n log n` operations and no matrix of pairs.
    """
    n = rank.shape[0]
    places, bits = lax.iota(jnp.int32, n), max(1, (n - 1).bit_length())

    def part(i: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        ranks, w, low, high, less = state
        bit = bits - 1 - i
        has, mine = ((r >> bit) & 1 == 1 for r in (ranks, rank))
        without = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(~has, dtype=jnp.int32)])
        sums = jnp.concatenate([jnp.zeros(1, w.dtype), jnp.cumsum(jnp.where(has, 0, w))])
        less = less + jnp.where(mine, sums[high] - sums[low], 0)
        low, high = (jnp.where(mine, without[-1] + at - without[at], without[at]) for at in (low, high))
        place = jnp.where(has, without[-1] + places - without[:-1], without[:-1])
        return jnp.zeros_like(ranks).at[place].set(ranks), jnp.zeros_like(w).at[place].set(w), low, high, less

    ends = jnp.full((n,), n, jnp.int32)
    state = (rank, weights, start.astype(jnp.int32), ends, jnp.zeros_like(weights))
    _, w, low, high, less = lax.fori_loop(0, bits, part, state)
    sums = jnp.concatenate([jnp.zeros(1, w.dtype), jnp.cumsum(w)])
    return less, sums[high] - sums[low]
