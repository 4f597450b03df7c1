"""A random permutation of `n` rows, computed element by element.

`jax.random.permutation` sorts. Here element `i` of the permutation is a function of `(key, i, n)` alone, in about
two hundred integer instructions: no sort, no memory, any element without the others, and it fuses and vmaps like
any elementwise code. The method is the swap-or-not shuffle (Hoang, Morris and Rogaway, "An Enciphering Scheme
Based on a Card Shuffle", CRYPTO 2012): in each round a random `pivot` pairs position `x` with `pivot - x mod n`,
and a random bit, shared by the two, decides whether they change places. It works for every `n` as it is, without
padding to a power of two.

Limits: 24 rounds, so two rows that start side by side end up in related places with probability about `2**-24`,
and for very small `n` the chance that a pair never met a deciding round is of that size too. The keys are 64
bits, so at most `2**64` of the `n!` permutations can occur. It is meant for training and resampling, not for
cryptography.
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxbm.core import checks, counter
from jaxbm.core.arrays import as_array
from jaxbm.core.counter import Words
from jaxbm.core.settings import varying_as

ROUNDS = 24
LAUNCHED_ROUNDS = 6
"""Rounds at once on a GPU or TPU, where each turn of a loop is two kernels to start; a CPU is fastest one by one."""
MAX_ROWS = 2**31 - 1


def permuted_position(stream: Words, i: Array, n: Array | int) -> Array:
    """Where the permutation that `stream` names sends `i`; uint32, elementwise, `n` may be traced.

    Entries with `i >= n` have no meaning and must be masked by the caller.
    """
    n = jnp.asarray(n, jnp.uint32)
    chosen, salts = counter.derive(stream, jnp.arange(ROUNDS, dtype=jnp.uint32))

    def one_round(x: Array, keys: tuple[Array, Array]) -> tuple[Array, None]:
        pivot, salt = keys
        partner = jnp.minimum(pivot - x, pivot - x + n)  # pivot - x mod n: below zero it is a huge number
        bits = (jnp.maximum(x, partner) ^ salt) * jnp.uint32(0x7FEB352D)
        bits = (bits ^ (bits >> 15)) * jnp.uint32(0x846CA68B)
        return jnp.where(bits >> 31 == 1, partner, x), None

    # A scan, not an unrolled loop: XLA would recompute the keys for every element, and compile far longer.
    rounds = (counter.below(chosen, n), salts)
    start = varying_as(jnp.asarray(i, jnp.uint32), i, rounds)
    return jax.lax.scan(one_round, start, rounds, unroll=1 if jax.default_backend() == "cpu" else LAUNCHED_ROUNDS)[0]


def permuted_index(key: Array, i: Array, n: int) -> Array:
    """Element `i` of `permutation(key, n)`, without computing the others.

    Args:
      key: a JAX random key.
      i: integer array of any shape, entries in `[0, n)`; inside a transformation any other gives -1.
      n: how many rows are permuted, 1 to 2**31 - 1.

    Returns:
      int32 array of `i`'s shape.

    Raises:
      TypeError: `key` is not a JAX key, or `n` or `i` is not an integer.
      ValueError: `n` or an entry of `i` is out of range.

    Example:
      >>> import jax, jaxbm
      >>> key = jax.random.key(0)
      >>> int(jaxbm.shuffle.permuted_index(key, 7, 1000)) == int(jaxbm.shuffle.permutation(key, 1000)[7])
      True
    """
    n = checked_count(n)
    i = as_array("i", i)
    if not jnp.issubdtype(i.dtype, jnp.integer):
        raise TypeError(f"i: expected integers, got dtype {i.dtype}")
    checks.in_range("i", i, 0, n - 1)
    i = i.astype(jnp.int32) if i.dtype.itemsize < 4 else i  # so that n fits beside it
    known = (i >= 0) & (i < n)
    return jnp.where(known, permuted_position(counter.words(key), i, n).astype(jnp.int32), -1)


def permutation(key: Array, n: int) -> Array:
    """A random permutation of `0, ..., n - 1`.

    Args:
      key: a JAX random key.
      n: how many rows are permuted, 1 to 2**31 - 1.

    Returns:
      int32 array `[n]` that holds each of `0, ..., n - 1` once.

    Raises:
      TypeError: `key` is not a JAX key, or `n` is not an integer.
      ValueError: `n` is out of range.

    Example:
      >>> import jax, jaxbm
      >>> sorted(jaxbm.shuffle.permutation(jax.random.key(0), 5).tolist())
      [0, 1, 2, 3, 4]

    Source: Hoang, Morris and Rogaway, CRYPTO 2012 (see the module's text for method and limits).
    """
    n = checked_count(n)
    return permuted_position(counter.words(key), jax.lax.iota(jnp.uint32, n), n).astype(jnp.int32)


def checked_count(n: int) -> int:
    """`n` as an int from 1 to `MAX_ROWS`; TypeError or ValueError where it is none."""
    n = checks.integer("n", n)
    if not 1 <= n <= MAX_ROWS:
        raise ValueError(f"n: expected 1 to {MAX_ROWS}, got {n}")
    return n
