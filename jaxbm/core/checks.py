"""Checks of user input at the public boundary. Values are looked at only where they are concrete."""

import operator
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.core.arrays import given
from jaxbm.core.device import placed


def is_traced(*trees: Any) -> bool:
    """True where any leaf is being traced, so that its values can't be looked at."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def integer(name: str, value: Any) -> int:
    """`value` as an int; TypeError names the argument. A boolean is none."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{name}: expected an integer, got {told(value)}") from None


def positive_int(name: str, value: Any) -> int:
    """`value` as an int of at least 1; TypeError or ValueError names the argument."""
    number = integer(name, value)
    if number < 1:
        raise ValueError(f"{name}: expected at least 1, got {number}")
    return number


def seed(name: str, value: Any) -> int:
    """`value` as an int that NumPy's generators start from; TypeError or ValueError names the argument."""
    number = integer(name, value)
    if not 0 <= number < 2**32:
        raise ValueError(f"{name}: expected 0 to {2**32 - 1}, got {number}")
    return number


def is_hashable(value: Any) -> bool:
    """Whether `value` may be part of what fixes a compiled program."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def is_several(value: Any) -> bool:
    """Whether it is values one after another: no text, and no array of one number, which has none after it."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes) and getattr(value, "shape", None) != ()


def told(value: Any) -> str:
    """For messages: a number, text or None as it is, an array by its dtype and shape, anything else by its type.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.checks import told
      >>> told(1.5), told("a"), told(np.ones((2, 3))), told([1, 2])
      ('1.5', "'a'", 'float64 of shape [2, 3]', 'list')
    """
    if isinstance(value, str | bytes):
        return repr(value[:40])
    if value is None or isinstance(value, int | float | complex | np.generic):
        return f"{value}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype} of shape {list(value.shape)}"
    return type(value).__name__


def flag(name: str, value: Any) -> bool:
    """True or False; TypeError for what is merely true in a condition, as the text "no" is."""
    if not (isinstance(value, bool | np.bool | int) and value in (0, 1)):
        raise TypeError(f"{name}: expected True or False, got {told(value)}")
    return bool(value)


def float_name(name: str, value: Any, *, is_complex: bool = False) -> str:
    """The name of a dtype of floating-point numbers, where asked for of complex ones too; ValueError otherwise."""
    try:
        dtype = None if value is None else jnp.dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact if is_complex else jnp.floating):
        got = told(value) if dtype is None else repr(dtype.name)
        raise ValueError(f"{name}: expected a floating-point dtype such as 'float32', got {got}")
    return dtype.name


def number(name: str, value: Any, *, whole: bool = False) -> None:
    """TypeError unless `value` is a real number or an array of such; ValueError unless they are whole, with `whole`.

    Booleans are no numbers, and text is not read as one.
    """
    dtype = value.dtype if hasattr(value, "dtype") else given(name, value).dtype
    if not (jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating)):
        expected = "a number" if np.ndim(value) == 0 else "numbers"
        raise TypeError(f"{name}: expected {expected}, got {told(value)}")
    if whole and not is_traced(value):
        array = np.asarray(value)
        bad = array != np.floor(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
        bad |= ~np.isfinite(array.astype(np.float64))
        if bad.any():
            raise bad_value(name, "a whole number", array, bad)


def one_number(name: str, value: Any) -> None:
    """TypeError unless `value` is a real number, not several: for what is compared with a bound."""
    if isinstance(value, list | tuple) or getattr(value, "shape", ()) != ():
        raise TypeError(f"{name}: expected one number, got {told(value)}")
    number(name, value)


def in_range(name: str, value: Any, low: float, high: float, *, open_high: bool = False) -> None:
    """ValueError unless `low <= value <= high` (`< high` with `open_high`) for every concrete entry."""
    if value is None or is_traced(value):
        return
    array = np.asarray(value, dtype=np.float64)
    bad = ~((array >= low) & (array < high if open_high else array <= high))
    if bad.any():
        open_end = " (exclusive)" if open_high else ""
        raise bad_value(name, f"{low} to {high}{open_end}", np.asarray(value), bad)


def bad_value(name: str, expected: str, host: np.ndarray, bad: np.ndarray) -> ValueError:
    """The error for some entries, or rows, that are not as expected: tells the first, its place and their number.

    Args:
      name: what the array is called.
      expected: in words.
      host: the array.
      bad: bool of its shape, or of its first axes; True somewhere.

    Example:
      >>> import numpy as np
      >>> from jaxbm.core.checks import bad_value
      >>> x = np.asarray([1.0, -1.0, -2.0])
      >>> print(bad_value("x", "positive numbers", x, x < 0))
      x: expected positive numbers, got -1.0 at [1] (2 in all)
    """
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    got = "another" if np.ndim(host[where]) else f"{host[where]!s}"
    place = f" at {list(where)}" if where else ""
    more = f" ({int(bad.sum())} in all)" if bad.sum() > 1 else ""
    return ValueError(f"{name}: expected {expected}, got {got}{place}{more}")


def finite(name: str, array: Any) -> None:
    """ValueError naming the first entry that is NaN or infinite."""
    if is_traced(array) or not jnp.issubdtype(array.dtype, jnp.floating) or is_remembered("finite", array):
        return
    host = np.asarray(array)
    good = np.isfinite(host if host.dtype.kind == "f" else host.astype(np.float32))
    if not good.all():
        raise bad_value(name, "finite values", host, ~good)
    remember("finite", array)


_remembered: dict[tuple[str, int], weakref.ref[Any]] = {}


def is_remembered(what: str, array: Any) -> bool:
    """Whether `remember` was told so of this very array."""
    found = _remembered.get((what, id(array)))
    return found is not None and found() is array


def remember(what: str, array: Any) -> None:
    """Keep, as long as it lives, what was found out about a JAX array, whose values never change.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.core.checks import is_remembered, remember
      >>> x = jnp.ones(3)
      >>> remember("finite", x)
      >>> is_remembered("finite", x), is_remembered("finite", x + 0)
      (True, False)
    """
    if isinstance(array, jax.Array):
        key = what, id(array)
        _remembered[key] = weakref.ref(array, lambda _: _remembered.pop(key, None))


def row_index(name: str, rows: Any, n: int) -> Any:
    """`rows` as int32 `[k]`, each a row of a table of `n`; inside a transformation -1 for one that is none of them,
    which makes the run's loss NaN."""
    if not is_traced(rows):
        return placed(host_rows(name, rows, n))
    rows = jnp.asarray(rows)  # a list of what is traced
    _integers(name, rows)
    rows = rows.astype(jnp.int32) if rows.dtype.itemsize < 4 else rows  # so that n fits beside them
    return jnp.where((rows < 0) | (rows >= n), -1, rows).astype(jnp.int32)


def row_indices(name: str, lists: Sequence[Any], n: int) -> Any:
    """`row_index` of each, one after another in one int32 array; concrete lists stay on the host until then."""
    if is_traced(list(lists)):
        return jnp.concatenate([row_index(name, rows, n) for rows in lists])
    return placed(np.concatenate([host_rows(name, rows, n) for rows in lists]))


def host_rows(name: str, rows: Any, n: int) -> np.ndarray:
    """`row_index` of concrete numbers, on the host."""
    host = given(name, rows)  # as wide as given: nothing may wrap round
    _integers(name, host)
    bad = (host < 0) | (host >= n)
    if bad.any():
        raise bad_value(name, f"0 to {n - 1}", host, bad)
    return host.astype(np.int32)


def _integers(name: str, rows: Any) -> None:
    if rows.ndim != 1 or not jnp.issubdtype(rows.dtype, jnp.integer) or rows.shape[0] == 0:
        raise ValueError(f"{name}: expected integers of shape [k], got {rows.dtype} of shape {list(rows.shape)}")
