"""One step of differentially private training: draw rows, clip each one's gradient, add noise to the sum."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core import counter
from jaxbm.core import rows as row_trees
from jaxbm.core.arrays import joined
from jaxbm.core.counter import Words
from jaxbm.core.mapping import only_saves_work
from jaxbm.models.protocol import Params
from jaxbm.privacy.gradients import clipped_examples, gaussian_noise
from jaxbm.run.contract import Hyper, Task
from jaxbm.run.rows import RowSet

HELD_NUMBERS = 1 << 20
"""So many numbers of single rows' gradients are held at once: 4 MiB of float32, for each member."""


def noisy_gradient(
    task: Task, params: Params, visited: RowSet, hyper: Hyper, words: Words, number: Array
) -> tuple[Params, tuple[Array, Array]]:
    """`((sum of clipped gradients + noise) / (q n), (sum of weighted losses, sum of weights))` of step `number`.

    How many rows are drawn is random and unbounded, as the accountant assumes: they are taken through in as many
    blocks of one size as it needs, mostly one. A row's weight multiplies its gradient before it is clipped.
    """
    count: Any = visited.most if visited.count is None else visited.count
    size = jnp.minimum(task.batch_size, count)
    ranks = _ranks(counter.derive(counter.derive(words, counter.SAMPLING), number), visited.most, count, size)
    rows = _block_rows(min(task.batch_size, visited.most), visited.most, params)
    dropout = counter.derive(counter.derive(words, counter.DROPOUT), number)

    def block(done: Array) -> tuple[Any, tuple[Array, Array]]:
        wanted = done + 1 + lax.iota(jnp.int32, rows)
        real = wanted <= ranks[-1]
        places = jnp.where(real, _first_with(ranks, wanted), 0)
        return _clipped_sum(task, params, visited, hyper, places, real, dropout)

    def onward(carry: tuple[Array, Any]) -> tuple[Array, Any]:
        done, sums = carry
        return done + rows, jax.tree.map(jnp.add, sums, block(done))

    none = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(block, jnp.int32(0)))
    # All members go through as many blocks as the longest needs: in those beyond its own, a member has no row.
    most = _most_drawn(ranks[-1])
    _, (total, sums) = lax.while_loop(lambda carry: carry[0] < most, onward, (jnp.int32(0), none))
    noise = gaussian_noise(
        counter.derive(counter.derive(words, counter.NOISE), number),
        params,
        task.privacy.clip_norm * task.privacy.noise_multiplier,
    )
    grads = jax.tree.map(lambda g, z, p: ((g + z) / jnp.asarray(size, g.dtype)).astype(p.dtype), total, noise, params)
    if hyper.l2 is not None:  # it looks at no row
        penalty = jax.grad(lambda p: jnp.asarray(hyper.l2 * task.model.penalty(p)))(params)
        grads = jax.tree.map(jnp.add, grads, penalty)
    return grads, sums


def _ranks(stream: Words, most: int, count: Any, size: Any) -> Array:
    """int32 `[most]`: how many of the places up to each one are drawn, each with probability `size / count`."""
    places = lax.iota(jnp.uint32, most)
    # Whole numbers throughout: `below` is less than `size` for that share of all bits, to one in 2**32.
    bits = counter.bits_2d(stream, places, jnp.zeros(1, jnp.uint32))[:, 0]
    drawn = counter.below(bits, count) < jnp.asarray(size, jnp.uint32)
    return jnp.cumsum((drawn & (places < jnp.asarray(count, jnp.uint32))).astype(jnp.int32))


def _first_with(ranks: Array, wanted: Array) -> Array:
    """int32: the first place of each wanted rank, by halving; plain gathers, which every implementation knows."""
    below, last = jnp.zeros_like(wanted), ranks.shape[0] - 1
    for bit in reversed(range(ranks.shape[0].bit_length())):
        next_ = below + (1 << bit)
        is_before = (next_ <= last + 1) & (ranks[jnp.minimum(next_ - 1, last)] < wanted)
        below = jnp.where(is_before, next_, below)
    return below


def _block_rows(size: int, most: int, params: Params) -> int:
    """How many rows go through at once: nearly always all that are drawn, unless their gradients are too large."""
    held = HELD_NUMBERS // max(1, sum(leaf.size for leaf in jax.tree.leaves(params)))
    return max(1, min(most, size + 4 * math.isqrt(size), held))


@jax.custom_batching.custom_vmap
def _most_drawn(drawn: Array) -> Array:
    return drawn


@_most_drawn.def_vmap
@only_saves_work
def _(axis: int, mapped: list[bool], drawn: Array) -> tuple[Array, bool]:
    del axis, mapped
    return _most_drawn(drawn.max(axis=0)), False


def _clipped_sum(
    task: Task, params: Params, visited: RowSet, hyper: Hyper, places: Array, real: Array, stream: Words
) -> tuple[Any, tuple[Array, Array]]:
    """The sum of clipped gradients of the rows at `places`, where `real`, and what the history sums of them."""
    index = visited.table_rows(places)
    weights = visited.weights(index)
    weights = jnp.ones(index.shape, jnp.float32) if weights is None else weights

    def example(params: Params, x: Any, y: Any, weight: Array, place: Array) -> tuple[Array, Array]:
        own = counter.derive(stream, place)
        x, y = jax.tree.map(lambda a: a[None], (x, y))  # alone: nothing of another row can get into its gradient
        if task.augment is not None:
            x, y = task.augment(counter.key(counter.derive(own, 2**31)), x, y)
        options: dict[str, Any] = {} if hyper.dropout is None else {"dropout": hyper.dropout, "key": own}
        value = task.model.example_losses(params, x, y, task.loss, **options)[0]
        value = value.astype(joined(value.dtype, jnp.float32))
        value = jnp.where(weight == 0, 0, value * weight.astype(value.dtype))
        return value, value

    gradient = jax.vmap(jax.grad(example, has_aux=True), in_axes=(None, 0, 0, 0, 0))
    grads, losses = gradient(
        params, *row_trees.take((visited.x, visited.y), index), weights, places.astype(jnp.uint32)
    )
    clipped = clipped_examples(grads, task.privacy.clip_norm)

    def summed(leaf: Array) -> Array:
        return jnp.where(real.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0).sum(axis=0)

    sums = (jnp.where(real, losses, 0).sum(), jnp.where(real, weights, 0).astype(losses.dtype).sum())
    return jax.tree.map(summed, clipped), sums
