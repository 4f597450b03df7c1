"""Counter-based random bits: plain 32-bit integer arithmetic, the same in JAX and in a compiled kernel.

`jax.random` is the source of randomness everywhere a few numbers are drawn. Inside the training loop (row order,
dropout masks, bootstrap draws) every element needs its own bits, at any index, in a few instructions, and the
compiled kernels must reproduce them bit for bit. So these functions hash a pair of key words with a counter.
They are statistical, not cryptographic.

The mixer is the 32-bit xor-shift-multiply permutation found by Chris Wellons' hash prospector (2018,
"lowbias32": shifts 16, 15, 16; multipliers 0x7feb352d, 0x846ca68b), whose measured avalanche bias is 0.17.
"""

import jax
import jax.numpy as jnp
from jax import Array

Words = tuple[Array, Array]
"""Two uint32 scalars (or arrays of one shape) that name a stream."""

# One tag for every independent use of a training run's key.
SHUFFLE, DROPOUT, BOOTSTRAP = 1, 2, 3


def mix(x: Array) -> Array:
    """A bijection of uint32 in which every input bit flips every output bit with probability close to 1/2."""
    x = jnp.asarray(x, jnp.uint32)
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def check_key(key: Array) -> None:
    """TypeError unless `key` is one JAX key (typed, or a raw uint32 array)."""
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        shape = key.shape
    else:
        data = jnp.asarray(key)
        if data.dtype != jnp.uint32 or data.shape[-1:] not in ((2,), (4,)):
            raise TypeError(
                "key: expected a JAX random key such as jax.random.key(0), "
                f"got an array of dtype {data.dtype} and shape {data.shape}"
            )
        shape = data.shape[:-1]
    if shape:
        raise TypeError(f"key: expected one key, got keys of shape {shape}; use jax.vmap for several")


def words(key: Array) -> Words:
    """The two words of a JAX key (typed, or a raw uint32 array), whatever its implementation.

    Raises:
      TypeError: `key` is not a JAX key.
    """
    check_key(key)
    typed = jnp.issubdtype(jnp.asarray(key).dtype, jax.dtypes.prng_key)
    data = jax.random.key_data(key) if typed else jnp.asarray(key)
    w0, w1 = data[0], data[1]
    for i in range(2, data.shape[0]):
        w0, w1 = derive((w0 ^ data[i], w1), i)
    return w0, w1


def derive(stream: Words, counter: Array | int) -> Words:
    """The stream number `counter` below `stream`: a bijection of the stream for each counter."""
    w0, w1 = stream
    a = mix(w0 ^ mix(jnp.asarray(counter, jnp.uint32) + jnp.uint32(0x9E3779B9)))
    b = mix(w1 + a)
    return a ^ mix(b), b


def below(bits: Array, n: Array | int) -> Array:
    """`floor(bits * n / 2**32)`: an integer in `[0, n)` from 32 random bits (Lemire, 2019, without rejection).

    The product's upper word is put together from 16-bit halves, so 64-bit integers are not needed.
    """
    n = jnp.asarray(n, jnp.uint32)
    low, high = jnp.uint32(0xFFFF), jnp.uint32(16)
    carry = (bits & low) * (n & low) >> high
    middle = (bits >> high) * (n & low) + carry
    other = (bits & low) * (n >> high) + (middle & low)
    return (bits >> high) * (n >> high) + (middle >> high) + (other >> high)


def bits_2d(stream: Words, rows: Array, columns: Array) -> Array:
    """Random uint32 `[rows, columns]`: element `(r, c)` depends on the stream, `rows[r]` and `columns[c]` alone."""
    w0, w1 = stream
    by_row = mix(jnp.asarray(rows, jnp.uint32) ^ w0)
    return mix((jnp.asarray(columns, jnp.uint32)[None, :] ^ by_row[:, None]) + w1)
