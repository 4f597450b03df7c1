"""Which rows each member visits: lists of any length, kept once however many members use them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import arrays, checks


class MemberRows(NamedTuple):
    """Lists of rows for M members, as `Data` and `Task` take them."""

    rows: Array | None
    """int32: `[k]`, shared, or `[M, k]`, each member's own; None for the table itself, of which each takes a range"""
    start: Array | None = None
    """int32 `[M]`, where each member's part of a shared list begins"""
    count: Array | None = None  # type: ignore[assignment]  # a field, not tuple.count
    most: int | None = None


def stretches(starts: np.ndarray, counts: np.ndarray, rows: Array | None = None) -> MemberRows:
    """Member `k` visits places `starts[k]` to `starts[k] + counts[k]` of the table, or of the list `rows`."""
    return MemberRows(rows, _known(starts), _known(counts), int(counts.max()))


def _known(values: np.ndarray) -> Any:
    """int32 on the host, where values stay known inside a transformation too: lengths decide shapes."""
    return values.astype(np.int32)


def member_rows(name: str, rows: Any, n: int, members: int) -> MemberRows:
    """Check and pack what the user gave as `rows`.

    Args:
      name: the argument's name.
      rows: `[k]` for all, `[M, k]`, or a sequence of M arrays of any lengths. Arrays that are the same object are
        kept once, so M members that use F folds cost F lists. A `MemberRows` is taken as it is.
      n: rows of the table.

    Raises:
      ValueError: shapes are unusable or a row is out of range.
    """
    if isinstance(rows, MemberRows):
        return rows
    if isinstance(rows, list | tuple) and checks.is_traced(rows):  # lists of numbers that are traced
        rows = [part if hasattr(part, "ndim") else jnp.asarray(part) for part in rows]
        rows = jnp.stack(rows) if all(part.ndim == 0 for part in rows) else rows
    if _is_ragged(rows):
        return _packed(name, rows, n, members)
    array = rows if isinstance(rows, jax.Array) else arrays.given(name, rows)
    if array.ndim != 2:
        return MemberRows(checks.row_index(name, array, n))
    if array.shape[0] != members:
        raise ValueError(f"{name}: expected shape [k] or [{members}, k], got {list(array.shape)}")
    return MemberRows(checks.row_index(name, array.reshape(-1), n).reshape(array.shape))


def _is_ragged(rows: Any) -> bool:
    return isinstance(rows, list | tuple) and bool(rows) and all(np.ndim(part) == 1 for part in rows)


def _packed(name: str, rows: Sequence[Any], n: int, members: int) -> MemberRows:
    if len(rows) != members:
        raise ValueError(f"{name}: expected {members} arrays, one for each member, got {len(rows)}")
    different = list({id(part): part for part in rows}.values())
    place = {id(part): i for i, part in enumerate(different)}
    flat = checks.row_indices(name, different, n)
    counts = np.asarray([np.shape(part)[0] for part in different], np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
    which = np.asarray([place[id(part)] for part in rows])
    return stretches(starts[which], counts[which], flat)


def cut_off(part: MemberRows, fraction: float) -> tuple[MemberRows, MemberRows]:
    """Each member's first rows for training and its last `fraction` of them for validation, as `fit` splits.

    Raises:
      ValueError: a member would have no row on one side.
    """
    if part.rows is not None and (part.start is None or part.count is None):
        k = part.rows.shape[-1]
        first = _first("rows", k, fraction)
        return MemberRows(part.rows[..., :first]), MemberRows(part.rows[..., first:])
    count = np.asarray(part.count)
    firsts = np.asarray([_first(f"rows of member {i}", int(c), fraction) for i, c in enumerate(count)], np.int32)
    start = np.asarray(part.start)
    return stretches(start, firsts, part.rows), stretches(start + firsts, count - firsts, part.rows)


def _first(what: str, count: int, fraction: float) -> int:
    first = int(count * (1 - fraction))
    if not 0 < first < count:
        raise ValueError(f"validation_split: {fraction} of {count} {what} leaves none for training or validation")
    return first
