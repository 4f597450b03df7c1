"""Where the rows of each group stand, and in which order groups become members."""

from __future__ import annotations

import datetime
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import checks
from jaxbm.members.row_lists import MemberRows, stretches


@dataclass(frozen=True)
class Layout:
    """Groups with models of their own as members, largest first: long runs start early.

    Example:
      >>> import numpy as np
      >>> from jaxbm.studies.group_layout import Layout
      >>> layout = Layout.of(np.asarray([7, 7, 5, 5, 5, 9]), n=6, min_rows=2, split=0.0)
      >>> layout.labels.tolist(), layout.starts.tolist(), layout.too_small.tolist(), layout.order
      ([5, 7], [2, 0], [9], None)
    """

    order: np.ndarray | None
    """`[n]`: rows of the table, those of a group next to each other; None where they are so in the table"""
    labels: np.ndarray
    counts: np.ndarray
    starts: np.ndarray
    """`[M]`: where in the order a member's rows begin"""
    held_out: np.ndarray
    """`[M]`: how many of them, the last, are for validation"""
    too_small: np.ndarray
    too_small_counts: np.ndarray
    words: np.ndarray
    """uint32 `[M]`: what a group's key is made of"""

    @classmethod
    def of(cls, groups: np.ndarray, n: int, min_rows: int, split: float) -> Layout:
        """The layout of `n` rows by the groups that they belong to.

        Args:
          groups: `[n]`.
          n: rows of the table.
          min_rows: groups with fewer get no model of their own.
          split: fraction of a group's rows to validate on; a group too small for it gets no model of its own.

        Raises:
          ValueError: `groups` has another shape or missing values.
        """
        check_labels(groups, n)
        order, labels, starts, counts = _together(groups)
        train = (counts * (1 - split)).astype(np.int64)
        enough = (counts >= min_rows) & (train > 0) & ((counts > train) if split else True)
        rank = np.lexsort((np.arange(len(labels)), -counts, ~enough))
        own, rest = rank[: enough.sum()], rank[enough.sum() :]
        words = np.asarray([zlib.crc32(repr(label).encode()) for label in labels[own].tolist()], np.uint32)
        held_out = (counts - train)[own] if split else np.zeros(len(own), np.int64)
        return cls(order, labels[own], counts[own], starts[own], held_out, labels[rest], counts[rest], words)

    @cached_property
    def index(self) -> Array | None:
        """int32 `[n]`: the order, on the device."""
        return None if self.order is None else jnp.asarray(self.order, jnp.int32)

    def rows(self, part: slice) -> tuple[MemberRows, MemberRows | None]:
        """The rows to train on and to validate on, of some members."""
        train, held = self.counts - self.held_out, self.held_out
        held_out = stretches((self.starts + train)[part], held[part], self.index) if held.any() else None
        return stretches(self.starts[part], train[part], self.index), held_out


def check_labels(groups: np.ndarray, n: int) -> str:
    """The labels' kind, see `kind_of_labels`; ValueError where they aren't one for each of `n` rows."""
    if groups.shape != (n,):
        raise ValueError(f"groups: expected shape [{n}] like x, got {list(groups.shape)}")
    check_none_missing(groups)
    return kind_of_labels(groups)


def check_none_missing(groups: np.ndarray) -> None:
    """ValueError where a row has no label; only floats, dates and objects can be missing."""
    if groups.dtype.kind == "f":
        missing = bool(np.isnan(groups).any())
    elif groups.dtype.kind in "mM":
        missing = bool(np.isnat(groups).any())
    else:
        missing = groups.dtype.kind == "O" and any(_is_gap(value) for value in groups.tolist())
    if missing:
        raise ValueError("groups: expected a label for every row, got missing values")


def kind_of_labels(groups: np.ndarray) -> str:
    """ "text", "bytes", "numbers", "dates", or the name of another type; TypeError where labels are of several kinds.

    Example:
      >>> import numpy as np
      >>> from jaxbm.studies.group_layout import kind_of_labels
      >>> kind_of_labels(np.asarray([1, 2])), kind_of_labels(np.asarray(["a", "b"], object))
      ('numbers', 'text')
    """
    known = {"U": "text", "S": "bytes", "M": "dates", "m": "times"} | dict.fromkeys("biuf", "numbers")
    if groups.dtype.kind != "O":
        if groups.dtype.kind not in known:
            raise TypeError(f"groups: expected text, numbers or dates, got dtype {groups.dtype}")
        return known[groups.dtype.kind]
    kinds = sorted({_kind_of(kind) for kind in set(map(type, groups.flat))})
    if len(kinds) > 1:
        raise TypeError(f"groups: expected labels of one kind, got {' and '.join(kinds)}")
    if len(groups) and not checks.is_hashable(groups.flat[0]):
        raise TypeError(f"groups: expected text, numbers or dates, got {kinds[0]}")
    return kinds[0] if kinds else "numbers"


def _kind_of(kind: type) -> str:
    kinds: dict[type, str] = {str: "text", bytes: "bytes", datetime.datetime: "datetime"}  # as pandas' own are
    kinds |= dict.fromkeys((int, float, np.number, np.bool), "numbers")
    return next((name for known, name in kinds.items() if issubclass(kind, known)), kind.__name__)


def _is_gap(value: Any) -> bool:
    """None, pandas' NA (which compares to nothing), or NaN, which is not equal to itself."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def _together(groups: np.ndarray) -> tuple[np.ndarray | None, np.ndarray, np.ndarray, np.ndarray]:
    """`(order, labels, starts, counts)`, by label; the order is None where each group's rows lie together already.

    Only the labels of stretches of equal ones are sorted then, of which there are as many as groups.
    """
    found = _stretches_of_equals(groups)
    if found is not None:
        return None, *found
    order = _stable_order(groups)
    found = _stretches_of_equals(groups[order])
    if found is None:
        raise ValueError(f"groups: expected labels that can be put in order, got {groups.dtype}")
    return order, *found


def _stretches_of_equals(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """`(labels, starts, counts)` of the stretches of equal labels, by label; None where a label has several."""
    if not len(groups):
        nothing = np.zeros(0, np.int64)
        return groups, nothing, nothing
    starts = np.concatenate([[0], np.flatnonzero(groups[1:] != groups[:-1]) + 1])
    labels, places = np.unique(groups[starts], return_index=True)
    if len(labels) < len(starts):
        return None
    counts = np.diff(starts, append=len(groups))
    return labels, starts[places], counts[places]


def _stable_order(groups: np.ndarray) -> np.ndarray:
    """`argsort`, with equal labels in the order of their rows."""
    n = len(groups)
    if groups.dtype.kind in "iu" and n < 2**31:
        codes = groups.astype(np.int64)
        low, high = int(codes.min()), int(codes.max())
        if high - low < 2**31:
            # Label and row in one number: no two are equal, so the fastest sort is stable.
            return np.sort(((codes - low) << 32) | np.arange(n)) & 0xFFFFFFFF
    return np.argsort(groups, kind="stable")
