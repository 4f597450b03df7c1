"""When training stops, by scikit-learn's rules, and its learning rates, for many networks at once.

The training loss counts as improved where it is below the lowest one so far by more than `tol`; a validation score
where it reaches the highest one so far plus `tol`. More than `n_iter_no_change` epochs in a row without improvement
end training, or divide an adaptive learning rate by five. All of it is a function of the epochs' losses or scores, so
as many epochs as the rule needs at least to end it can be trained without looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


class Stopping:
    """The rule's state for some networks.

    Args:
      limits: of each network.
      by_score: it is told validation scores, not losses.
      schedule: "constant", "invscaling" or "adaptive".
    """

    def __init__(self, limits: Sequence[Limits], by_score: bool, schedule: str):
        def column(name: str) -> np.ndarray:
            return np.asarray([getattr(one, name) for one in limits], np.float64)

        self.by_score, self.schedule = by_score, schedule
        self.tol, self.most, self.max_iter = column("tol"), column("n_iter_no_change"), column("max_iter")
        self.best, self.count = column("best"), column("count")
        self.initial_rates, self.power_t = column("learning_rate"), column("power_t")
        self.rates = column("rate")
        self.rows, self.seen = column("rows"), column("seen")
        self.epochs = np.zeros(len(limits), int)
        self.going, self.settled = np.ones(len(limits), bool), np.zeros(len(limits), bool)

    def free(self) -> int:
        """How many epochs can be trained before anything may have to change, at least one."""
        if self.schedule == "invscaling":
            return 1
        left = np.minimum(self.most + 1 - self.count, self.max_iter - self.epochs)[self.going]
        return max(1, int(left.min()))

    def tell(self, values: np.ndarray, finite: np.ndarray) -> np.ndarray:
        """One epoch's losses or scores `[M]`; those of networks that no longer train are ignored.

        Args:
          values: of each network.
          finite: False where the network diverged in this epoch.

        Returns:
          bool `[M]`: where this epoch is the best one so far.
        """
        going = self.going.copy()
        with np.errstate(invalid="ignore"):
            if self.by_score:
                stale, better = values < self.best + self.tol, values > self.best
            else:
                stale, better = values > self.best - self.tol, values < self.best
        self.count = np.where(going, np.where(stale, self.count + 1, 0), self.count)
        better &= going
        self.best = np.where(better, values, self.best)
        self.epochs += going
        self.seen += np.where(going, self.rows, 0)
        if self.schedule == "invscaling":
            scaled = self.initial_rates / (self.seen + 1) ** self.power_t
            self.rates = np.where(going, scaled, self.rates)
        self._settle(going & (self.count > self.most))
        self.going &= finite & (self.epochs < self.max_iter)
        return better

    def _settle(self, stale: np.ndarray) -> None:
        if self.schedule == "adaptive":
            slower = stale & (self.rates > SMALLEST_RATE)
            self.rates = np.where(slower, self.rates / 5, self.rates)
            self.count = np.where(slower, 0, self.count)
            stale = stale & ~slower
        self.settled |= stale
        self.going &= ~stale
