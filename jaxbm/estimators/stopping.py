"""When training stops, by scikit-learn's rules, and its learning rates, for many networks at once.

The training loss counts as improved where it is below the lowest one so far by more than `tol`; a validation score
where it reaches the highest one so far plus `tol`. More than `n_iter_no_change` epochs in a row without improvement
end training, or divide an adaptive learning rate by five. All of it is a function of the epochs' losses or scores, so
as many epochs as the rule needs at least to end it can be trained without looking. The functions take the arrays of
NumPy, on the host, or of JAX, inside compiled code (`compiled.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

SMALLEST_RATE = 1e-6
"""An adaptive learning rate that is not above it is not divided any further."""


@dataclass(frozen=True)
class Limits:
    """One network's limits, and where an earlier call left it."""

    tol: float
    n_iter_no_change: float
    max_iter: int
    learning_rate: float
    """at the start of a schedule"""
    rate: float
    """now"""
    power_t: float = 0.5
    best: float = np.inf
    """lowest training loss, or highest validation score, so far"""
    count: int = 0
    """epochs in a row without improvement"""
    rows: int = 0
    """rows in an epoch"""
    seen: int = 0
    """rows visited before"""
    steps: int = 1
    """in an epoch"""


class Rule(NamedTuple):
    """What doesn't change, `[M]`: of each network one number."""

    tol: Any
    most: Any
    """epochs in a row without improvement that are let pass"""
    max_iter: Any
    learning_rate: Any
    power_t: Any
    rows: Any
    seen: Any


class Progress(NamedTuple):
    """Where some networks are, `[M]`."""

    best: Any
    count: Any
    rates: Any
    epochs: Any
    """trained in this call"""
    going: Any
    settled: Any
    """bool: nothing improved any more"""


def begin(limits: Sequence[Limits], dtype: Any = np.float64) -> tuple[Rule, Progress]:
    """The rule of networks, and where they are before their first epoch."""

    def column(name: str) -> np.ndarray:
        return np.asarray([getattr(one, name) for one in limits], dtype)

    names = ("tol", "n_iter_no_change", "max_iter", "learning_rate", "power_t", "rows", "seen")
    m = len(limits)
    now = Progress(
        column("best"), column("count"), column("rate"), np.zeros(m, dtype), np.ones(m, bool), np.zeros(m, bool)
    )
    return Rule(*(column(name) for name in names)), now


def free(rule: Rule, now: Progress, schedule: str, xp: Any = np) -> Any:
    """How many epochs can be trained before anything may have to change, at least one."""
    if schedule == "invscaling":
        return xp.int32(1)
    left = xp.minimum(rule.most + 1 - now.count, rule.max_iter - now.epochs)
    return xp.maximum(1, xp.where(now.going, left, rule.max_iter).min()).astype(xp.int32)


def tell(
    rule: Rule, now: Progress, values: Any, finite: Any, by_score: bool, schedule: str, xp: Any = np
) -> tuple[Progress, Any]:
    """One epoch's losses or scores; those of networks that no longer train are ignored.

    Args:
      rule, now: of the networks.
      values: of each network.
      finite: False where the network diverged in this epoch.
      by_score: the values are validation scores, not losses.
      schedule: "constant", "invscaling" or "adaptive".
      xp: `numpy` or `jax.numpy`.

    Returns:
      Where they are now, and bool `[M]`, where this epoch is the best one so far.
    """
    going = now.going
    # As differences of values, since in float32 a value less `tol` may be that value.
    gain = values - now.best if by_score else now.best - values
    count = xp.where(going, xp.where(gain < rule.tol, now.count + 1, 0), now.count)
    better = going & (gain > 0)
    best, epochs, rates = xp.where(better, values, now.best), xp.where(going, now.epochs + 1, now.epochs), now.rates
    if schedule == "invscaling":
        scaled = rule.learning_rate / (rule.seen + epochs * rule.rows + 1) ** rule.power_t
        rates = xp.where(going, scaled, rates)
    stale = going & (count > rule.most)
    if schedule == "adaptive":
        slower = stale & (rates > SMALLEST_RATE)
        rates, count = xp.where(slower, rates / 5, rates), xp.where(slower, 0, count)
        stale = stale & ~slower
    going = going & ~stale & finite & (epochs < rule.max_iter)
    return Progress(best, count, rates, epochs, going, now.settled | stale), better
