"""Arrays as users bring them, made into JAX arrays without changing a value silently."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.device import placed


def as_array(name: str, value: Any) -> Array:
    """`jnp.asarray(value)`, also for byte orders and widths that JAX doesn't take, and never a wrapped integer.

    Big-endian numbers, `longdouble` and columns of optional numbers without a gap (pandas' `Int64`) become what JAX
    has for them.

    Args:
      name: how messages call the argument.
      value: anything array-like.

    Raises:
      TypeError: text, objects or gaps, where numbers are wanted.
      ValueError: a 64-bit integer doesn't fit the 32 bits that JAX keeps by default.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.arrays import as_array
      >>> as_array("y", np.arange(3, dtype=">f4")).dtype.name
      'float32'
    """
    if isinstance(value, jax.Array):
        return value
    host = host_numbers(name, given(name, value))
    if host.dtype.kind in "iu":
        check_width(name, host)
    # A Python number keeps its weak type: it takes the width of what it meets.
    return jnp.asarray(value) if isinstance(value, bool | int | float | complex) else placed(host)


def given(name: str, value: Any) -> np.ndarray:
    """`numpy.asarray(value)` of an array with nothing hidden: what a mask hides would come back as numbers.

    Raises:
      TypeError: a sparse matrix or some other array that NumPy can't read, which it takes for one object.
      ValueError: masked entries, or lists of different lengths.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.arrays import given
      >>> given("y", np.ma.masked_array([1, 2], mask=False)).tolist()
      [1, 2]
    """
    parts = value if isinstance(value, list | tuple) else [value]
    masked = sum(int(np.ma.count_masked(part)) for part in parts if isinstance(part, np.ma.MaskedArray))
    if masked:
        raise ValueError(f"{name}: expected no masked entries, got {masked}; fill them, or leave their rows out")
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"{name}: expected values, got a traced array ({value.aval}); what works on the host can't be part of a "
            "transformed function"
        )
    try:
        host = np.asarray(value)
    except ValueError:
        if isinstance(value, list | tuple):
            raise ValueError(f"{name}: expected an array, got lists of different lengths") from None
        raise
    if host.ndim == 0 and host.dtype.kind == "O" and getattr(value, "shape", None):
        raise TypeError(f"{name}: expected a dense array, got a {type(value).__name__} of shape {list(value.shape)}")
    return host


def check_width(name: str, host: np.ndarray) -> None:
    """ValueError where integers don't fit those that JAX keeps, in which they would wrap round."""
    kept = np.iinfo(jax.dtypes.canonicalize_dtype(host.dtype))
    for extreme in (host.min(), host.max()) if host.size else ():
        if not kept.min <= int(extreme) <= kept.max:
            raise ValueError(f"{name}: expected integers that fit {kept.dtype}, got {extreme}")


def host_numbers(name: str, host: np.ndarray) -> np.ndarray:
    """The same numbers, still on the host, of a type that JAX has or can narrow; TypeError where they are none."""
    if host.dtype.kind == "O":
        strange = [not isinstance(item, bool | int | float | complex | np.number | np.bool) for item in host.flat]
        if any(strange):
            where = np.unravel_index(int(np.argmax(strange)), host.shape)
            raise TypeError(
                f"{name}: expected numbers, got {_told(host[where])} at {[int(i) for i in where]} "
                f"({sum(strange)} in all)"
            )
        host = np.asarray(host.tolist()).reshape(host.shape)
        if host.dtype.kind == "O":
            raise ValueError(f"{name}: expected integers that fit 64 bits")
    if host.dtype.names or host.dtype.kind not in "biufcV":  # V: bfloat16 and other types that NumPy doesn't know
        text = "; np.unique(..., return_inverse=True)[1] numbers classes" if host.dtype.kind in "US" else ""
        raise TypeError(f"{name}: expected numbers, got dtype {host.dtype}{text}")
    if host.dtype.kind in "fc" and host.dtype.itemsize > (16 if host.dtype.kind == "c" else 8):
        return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)
    return host if host.dtype.isnative else host.astype(host.dtype.newbyteorder("="))


def _told(item: Any) -> str:
    """What is no number: a gap (None, or pandas' NA and NaT), or a value of some type."""
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return f"a gap ({item})"
    return f"{str(item)[:40]!r} ({type(item).__name__})"


def host_real(name: str, value: Any) -> np.ndarray:
    """Real numbers on the host, as wide as they were given; TypeError where they are none.

    Example:
      >>> from jaxbm.core.arrays import host_real
      >>> host_real("x", [1, 2.5]).tolist()
      [1.0, 2.5]
    """
    host = host_numbers(name, given(name, value))
    if host.dtype.kind == "c":
        raise TypeError(f"{name}: expected real numbers, got dtype {host.dtype}")
    return host


def real(name: str, value: Any) -> Array:
    """`as_array` of real numbers: TypeError for complex ones, whose imaginary part would be lost."""
    array = as_array(name, value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array


def joined(first: Any, second: Any = jnp.float32) -> Any:
    """The dtype that holds both, at least float32 by default, whatever promotion the user allows.

    Where a type is widened on purpose, by a cast that is written out, strict promotion has nothing to object to.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxbm.core.arrays import joined
      >>> with jax.numpy_dtype_promotion("strict"):
      ...     joined(jnp.bfloat16).name
      'float32'
    """
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(first, second)


def sum_of_squares(arrays: Sequence[Array]) -> Array:
    """The sum of `abs(x)**2` over everything in all arrays, in at least float32; 0 of none.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.core.arrays import sum_of_squares
      >>> float(sum_of_squares([jnp.asarray([3 + 4j]), jnp.full(2, 300, jnp.float16)]))
      180025.0
    """
    parts = [part for x in arrays for part in ((x.real, x.imag) if jnp.iscomplexobj(x) else (x,))]
    wide = reduce(joined, (part.dtype for part in parts), jnp.dtype("float32"))
    return sum((jnp.square(part.astype(wide)).sum() for part in parts), jnp.zeros((), wide))
