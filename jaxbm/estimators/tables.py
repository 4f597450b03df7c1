"""Tables on the device, and lists of their rows, filled up to few lengths so that little is compiled anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array


class Table(NamedTuple):
    """The rows that networks choose from, filled up with zeros to one of few lengths."""

    x: Array
    y: Array
    weight: Array | None
    n: int
    """how many are real"""


def filled(n: int) -> int:
    """The number of rows that a table of `n` is filled up to, at most an eighth more.

    Example:
      >>> filled(150), filled(1437), filled(1438)
      (160, 1536, 1536)
    """
    step = max(8, 1 << max(0, n.bit_length() - 4))
    return -(-n // step) * step


def table(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, length: int | None = None) -> Table:
    """Put rows on the device, filled up to `length` where it is given."""
    more = (filled(len(x)) if length is None else length) - len(x)
    arrays = (x, y) if weight is None else (x, y, weight)
    placed = jax.device_put([_lengthened(a, more) for a in arrays])  # `jnp.asarray` compiles a copy for each shape
    return Table(placed[0], placed[1], None if weight is None else placed[2], len(x))


def host_table(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Any:
    """A `Table` for one compiled call, which takes it from the host at less cost than a copy of its own."""
    more = filled(len(x)) - len(x)
    own = None if weight is None else _lengthened(weight.astype(np.float32, copy=False), more)
    y = y.astype(np.float32, copy=False) if y.dtype.kind == "f" else y
    return Table(_lengthened(x, more), _lengthened(y, more), own, len(x))  # type: ignore[arg-type]


def _lengthened(a: np.ndarray, more: int) -> np.ndarray:
    return np.concatenate([a, np.zeros((more, *a.shape[1:]), a.dtype)]) if more else a


def packed(lists: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists of rows one after the other, and where each starts and how long it is; the same object is kept once."""
    different = {id(part): part for part in lists}
    lengths = np.cumsum([0, *(len(part) for part in different.values())])
    place = dict(zip(different, lengths, strict=False))
    flat = np.concatenate(list(different.values())).astype(np.int32)
    start = np.asarray([place[id(part)] for part in lists], np.int32)
    return _lengthened(flat, filled(len(flat)) - len(flat)), start, np.asarray([len(p) for p in lists], np.int32)
