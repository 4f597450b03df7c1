"""Training networks until scikit-learn's rules stop them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxbm.estimators.block_training import BlockTraining
from jaxbm.estimators.networks import Training, Weights, keep_better
from jaxbm.estimators.stopping import Limits, Stopping
from jaxbm.estimators.validation import HeldOut
from jaxbm.members.progress import deferred_interrupt
from jaxbm.training.whole_run import next_chunk

CHUNK_SECONDS = 0.5
"""About how long compiled code runs before Ctrl-C is looked for."""

Told = Callable[[int, float, float | None], None]


@dataclass
class Trained:
    """What training leaves of one network."""

    weights: Weights
    """of the last epoch; of the epoch with the best validation score where there are scores"""
    learning_rate: float
    losses: list[float]
    """of each epoch, the penalty of `alpha` included"""
    scores: list[float] | None
    """of each epoch on the held-out rows"""
    best: float
    """the lowest loss or the highest score"""
    count: int
    """epochs in a row without improvement, at the end"""
    settled: bool
    """it stopped because nothing improved any more, before `max_iter`"""
    finite: bool
    """False where a loss or weight became NaN or infinite"""
    interrupted: bool = False


@dataclass(frozen=True)
class Rules:
    """How the losses of some networks are read, and what stops them.

    Args:
      limits: of each network.
      schedule: of the learning rate: "constant", "invscaling" or "adaptive".
      penalty: `[M]`, what the sum of squared weights is multiplied by in a reported loss.
      scale: what a loss of the core is multiplied by in a reported one.
      rate_scale: what a learning rate is multiplied by, since gradients of the core are so much smaller.
    """

    limits: Sequence[Limits]
    schedule: str
    penalty: np.ndarray
    scale: float = 1.0
    rate_scale: float = 1.0


def train(
    training: Training | BlockTraining, rules: Rules, held_out: HeldOut | None = None, told: Told | None = None
) -> list[Trained]:
    """Train networks that share a program until every one has stopped.

    Args:
      training: the networks before their first epoch.
      rules: when they stop.
      held_out: rows whose score decides instead of the training loss; the best epoch's weights are kept.
      told: called after every epoch with its number, loss and score, means over the networks.
    """
    run = _Run(training, rules, held_out, told)
    with deferred_interrupt() as interrupted:
        while run.stopping.going.any():
            run.chunk()
            if interrupted():
                return run.trained(interrupted=True)
    return run.trained()


class _Run:
    def __init__(self, training: Training | BlockTraining, rules: Rules, held_out: HeldOut | None, told: Told | None):
        self.training, self.rules, self.held_out, self.told = training, rules, held_out, told
        self.stopping = Stopping(rules.limits, held_out is not None, rules.schedule)
        self.losses: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        self.best: Any = None
        self.quick = 1 << 30
        steps = np.asarray([one.steps for one in rules.limits])
        self.middle = 0.5 * (steps - 1) / steps
        self.is_sgd = training.program.solver == "sgd"
        squares = [sum(float(np.vdot(w, w)) for w, _ in network.weights) for network in training.networks]
        self.penalties = rules.penalty * squares

    def chunk(self) -> None:
        """As many epochs as can be trained at once."""
        began = time.perf_counter()
        epochs = self._epochs()
        losses = self.training.advance(epochs) * self.rules.scale
        before = self.penalties
        if self.rules.penalty.any():
            self.penalties = self.rules.penalty * self.training.penalties()
        finite = self.training.finite()
        for i in range(epochs):
            # A batch's penalty is of the weights before its step: on average over an epoch, before its middle.
            part = (i + self.middle) / epochs
            with np.errstate(invalid="ignore", over="ignore"):
                penalties = before + part * (self.penalties - before)
            self._epoch(losses[:, i] + penalties, finite, i + 1 == epochs)
        stopped = ~self.stopping.going
        if stopped.any() and not stopped.all():
            self.training.retire(stopped)
        if self.is_sgd:
            self.training.set_rates(self.stopping.rates * self.rules.rate_scale)
        self.quick = next_chunk(epochs, time.perf_counter() - began, CHUNK_SECONDS)

    def _epochs(self) -> int:
        if self.told is not None or self.held_out is not None:
            return 1
        # Where the penalty changes by more than `tol` it has to be measured after every epoch, not interpolated.
        heavy = (self.penalties > self.stopping.tol) & (self.stopping.tol > 0) & self.stopping.going
        return 1 if heavy.any() else min(self.stopping.free(), self.quick)

    def _epoch(self, losses: np.ndarray, finite: np.ndarray, is_last: bool) -> None:
        # A network that diverges stops there: its loss is NaN from the next epoch on.
        alive = finite if is_last else finite | np.isfinite(losses)
        self.losses.append(np.where(self.stopping.going, losses, np.nan))
        values = self.losses[-1]
        if self.held_out is not None:
            params = self.training.params
            scores = np.where(finite, self.held_out.scores(self.training.model, params), np.nan)
            values = np.where(self.stopping.going, scores, np.nan)
            self.scores.append(values)
        better = self.stopping.tell(values, alive)
        if self.held_out is not None and (better.any() or self.best is None):
            now = better if self.best is not None else np.ones_like(better)
            self.best = keep_better(params, params if self.best is None else self.best, now)
        if self.told is not None:
            score = float(np.nanmean(self.scores[-1])) if self.scores else None
            self.told(int(self.stopping.epochs.max()), float(np.nanmean(self.losses[-1])), score)

    def trained(self, interrupted: bool = False) -> list[Trained]:
        """Every network as it is now."""
        stopping, finite = self.stopping, self.training.finite()
        losses = np.stack(self.losses, axis=1)
        scores = np.stack(self.scores, axis=1) if self.scores else None
        return [
            Trained(
                weights,
                float(stopping.rates[k]),
                losses[k, : stopping.epochs[k]].tolist(),
                None if scores is None else scores[k, : stopping.epochs[k]].tolist(),
                float(stopping.best[k]),
                int(stopping.count[k]),
                bool(stopping.settled[k]),
                bool(finite[k]),
                interrupted,
            )
            for k, weights in enumerate(self.training.weights(self.best))
        ]
