"""That each member has rows that count: a weight above zero among those that it learns from, and is validated on."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxbm.core.checks import is_traced
from jaxbm.run.contract import Data


class NoRowCounts(ValueError):
    """All rows of one member have weight zero: nothing would be learnt from them, or known by them."""

    def __init__(self, name: str, what: str, member: int):
        super().__init__(name, what, member)
        self.name, self.what, self.member = name, what, member

    def __str__(self) -> str:
        return self.told(f"member {self.member}")

    def told(self, who: str) -> str:
        """The message for a member that its user calls something else."""
        return (
            f"{self.name}: expected a positive weight among the rows {self.what} of each, got zeros alone for {who}"
        )


def check_each_counts(data: Data, given: Any, members: int) -> None:
    """NoRowCounts for the first member whose rows, to train or to validate on, all have weight zero.

    Args:
      data: all members' rows; what is traced isn't looked at.
      given: `[n]` or `[M, n]`, the rows' weights without those of classes; None where there are none.
      members: how many.
    """
    learnt = (data.rows, data.start, data.count)
    if not is_traced(given, data.weight, data.class_weight, data.y, learnt):
        if given is not None and data.weight is not None:
            counts = np.asarray(given)[..., : data.weight.shape[-1]] > 0
            _check("sample_weight", "trained on", counts, learnt, members)
        if (weighs := _weighs(data)) is not None:
            _check("class_weight", "trained on", weighs, learnt, members)
    measured = (data.rows_val, data.start_val, data.count_val)
    if data.weight_val is not None and not is_traced(data.weight_val, measured):
        _check("sample_weight", "measured", np.asarray(data.weight_val) > 0, measured, members)


def _weighs(data: Data) -> np.ndarray | None:
    """`[n]` or `[M, n]`: whether a row has weight, that of its class included; None where all do."""
    counts = None if data.weight is None else np.asarray(data.weight) > 0
    if data.class_weight is None:
        return counts
    table = np.atleast_2d(np.asarray(data.class_weight) > 0)
    codes = np.clip(np.asarray(data.y).astype(np.int64), 0, table.shape[1] - 1)
    own = (
        table[0][codes]
        if len(table) == 1
        else np.take_along_axis(table, np.broadcast_to(codes, (len(table), codes.shape[-1])), 1)
    )
    return own if counts is None else own & counts


def _check(name: str, what: str, counts: np.ndarray, visited: tuple[Any, Any, Any], members: int) -> None:
    if counts.all():
        return
    good = np.broadcast_to(_any(counts, *(None if part is None else np.asarray(part) for part in visited)), members)
    if not good.all():
        raise NoRowCounts(name, what, int(np.argmin(good)))


def _any(counts: np.ndarray, rows: np.ndarray | None, start: np.ndarray | None, count: np.ndarray | None) -> Any:
    """`[M]`, or a scalar for all: whether any of the rows that a member visits counts."""
    if start is None or count is None:
        if rows is None or rows.ndim == 1:
            return (counts if rows is None else counts[..., rows]).any(axis=-1)
        return (counts[rows] if counts.ndim == 1 else np.take_along_axis(counts, rows, 1)).any(axis=-1)
    if counts.ndim == 1:
        before = np.concatenate([[0], np.cumsum(counts if rows is None else counts[rows])])
        return before[start + count] > before[start]
    places = [slice(a, a + n) if rows is None else rows[a : a + n] for a, n in zip(start, count, strict=True)]
    return np.asarray([own[part].any() for own, part in zip(counts, places, strict=True)])
