"""What members say of the rows that they were not trained on, in one compiled call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxbm.core.device import placed
from jaxbm.core.settings import on_purpose
from jaxbm.training.stacked import stacked_logits

if TYPE_CHECKING:
    from jaxbm.members.result import MembersResult
    from jaxbm.tabular.plan import Plan

BLOCK_NUMBERS = 2**22
"""Logits, or activations of the widest layer, that are held at once, in numbers."""
SMALLEST_BLOCK = 64


@on_purpose
def held_out_logits(result: MembersResult, x: np.ndarray, held_out: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each member's logits `[held out, out]` of its own rows.

    Args:
      result: of M members.
      x: float32 `[n, in]`.
      held_out: M lists of rows.
    """
    counts = np.asarray([len(held) for held in held_out], np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
    width = result.members * max(result.model.member_widths or (result.model.n_outputs,))
    block = 1 << max(0, max(BLOCK_NUMBERS // width, 1).bit_length() - 1)
    block = max(SMALLEST_BLOCK, min(block, 1 << max(0, int(counts.max()) - 1).bit_length()))  # few shapes to compile
    table, rows = placed(x), placed(np.concatenate(held_out), np.int32)
    parts = []
    for first in range(0, int(counts.max()), block):
        some = placed(np.clip(counts - first, 0, block))
        at = placed(np.minimum(starts + first, len(rows) - 1))
        parts.append(np.asarray(stacked_logits(result.model, result.params, table, at, some, block, rows)))
    logits = np.concatenate(parts, axis=1)
    return [logits[k, :count] for k, count in enumerate(counts)]


def mean_unseen(plan: Plan, result: MembersResult) -> np.ndarray:
    """float64 `[n, k]`: each row's mean probabilities or moments by members that did not see it; NaN where none is.

    Args:
      plan: whose folds the members have.
      result: of their training; members that did not stay finite don't count.
    """
    visited, n = plan.visited, len(plan.training[0])
    total, count, finite = np.zeros((n, plan.preparation.n_averaged)), np.zeros((n, 1)), np.asarray(result.finite)
    found = held_out_logits(result, visited.x, [held for _, held in visited.folds])
    for (_, held), logits, is_finite in zip(plan.folds or [], found, finite, strict=True):
        if is_finite:
            total[held] += plan.preparation.averaged(logits)
            count[held] += 1
    with np.errstate(invalid="ignore"):
        return total / count
