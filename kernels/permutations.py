"""`jaxbm.shuffle.permutation` by the compiled CPU kernel, bit for bit."""

from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from jaxbm import shuffle
from jaxbm.core import counter
from jaxbm.kernels.calls import kernel_call
from jaxbm.kernels.choice import by_kernel, off


def permutation(key: Array, n: int, *, implementation: str | None = None) -> Array:
    """A random permutation of `0, ..., n - 1`, the very one that `jaxbm.shuffle.permutation` gives.

    Args:
      key: a JAX random key.
      n: how many rows are permuted, 1 to 2**31 - 1.
      implementation: None for the kernel where it can, else plain JAX; "cpu" or "xla" for one of them.

    Returns:
      int32 array `[n]`.

    Raises:
      TypeError, ValueError: as for `jaxbm.shuffle.permutation`; or `implementation` is unknown.
      NotImplementedError: `implementation="cpu"`, and the kernel can't; says why.

    Example:
      >>> import jax, jaxbm
      >>> key = jax.random.key(0)
      >>> bool((jaxbm.kernels.permutation(key, 100) == jaxbm.shuffle.permutation(key, 100)).all())
      True
    """
    n = shuffle.checked_count(n)
    if not by_kernel(implementation, off):
        return shuffle.permutation(key, n)
    # Lowered for another platform, the call would name a kernel that does not exist there.
    plain = partial(_plain, n)
    return lax.platform_dependent(jnp.stack(counter.words(key)), cpu=partial(_native, n), default=plain)


def _native(n: int, words: Array) -> Array:
    return kernel_call("jaxbm_permutation", (), (), (((n,), jnp.dtype("int32")),))(words)[0]


def _plain(n: int, words: Array) -> Array:
    places = lax.iota(jnp.uint32, n)
    return shuffle.permuted_position((words[0], words[1]), places, n).astype(jnp.int32)
