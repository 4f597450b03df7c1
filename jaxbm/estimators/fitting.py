"""Training networks until scikit-learn's rules stop them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxbm.estimators import stopping
from jaxbm.estimators.block_training import BlockTraining
from jaxbm.estimators.compiled import CompiledEpochs
from jaxbm.estimators.networks import Training, Weights, stacked
from jaxbm.estimators.states import keep_better
from jaxbm.estimators.stopping import Limits
from jaxbm.estimators.validation import HeldOut
from jaxbm.members.progress import deferred_interrupt
from jaxbm.training.whole_run import next_chunk

CHUNK_SECONDS = 0.5
"""About how long compiled code runs before Ctrl-C is looked for."""
SLOW_FLOPS = 2e10
"""Operations in a second that the first call counts on."""

Told = Callable[[int, float, float | None, str | None], None]


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

    @property
    def middle(self) -> np.ndarray:
        """`[M]`: how much of an epoch has passed when its steps begin, on average."""
        steps = np.asarray([one.steps for one in self.limits])
        return 0.5 * (steps - 1) / steps


def train(
    training: Training | BlockTraining, rules: Rules, held_out: HeldOut | None = None, told: Told | None = None
) -> list[Trained]:
    """Train networks that share a program until every one has stopped.

    Args:
      training: the networks before their first epoch.
      rules: when they stop.
      held_out: rows whose score decides instead of the training loss; the best epoch's weights are kept.
      told: called after every epoch with its number, loss and score, means over the networks, and with what changed.
    """
    run: _Compiled | _OnTheHost
    if isinstance(training, Training) and training.task.epochs > 1 and (held_out is None or len(held_out.parts) == 1):
        run = _Compiled(training, rules, held_out, told)
    else:
        run = _OnTheHost(training, rules, held_out, told)
    with deferred_interrupt() as interrupted:
        while run.now.going.any():
            run.chunk()
            if interrupted():
                return run.trained(interrupted=True)
    return run.trained()


def _penalties(training: Training | BlockTraining, rules: Rules) -> np.ndarray:
    """Those of the first weights."""
    squares = [sum(float(np.vdot(w, w)) for w, _ in network.weights) for network in training.networks]
    return rules.penalty * np.asarray(squares)


class _Compiled:
    """The loop over epochs is compiled; the host looks at it every half a second."""

    def __init__(self, training: Training, rules: Rules, held_out: HeldOut | None, told: Told | None):
        self.training, self.rules, self.told = training, rules, told
        self.loop = CompiledEpochs(
            training, rules.limits, rules.schedule, rules.penalty, rules.middle, rules.scale, rules.rate_scale,
            _penalties(training, rules), held_out,
        )  # fmt: skip
        self.now = self.loop.now
        visited = sum(one.rows for one in rules.limits)
        flops = 6.0 * training.model.n_params * max(1, visited)
        self.quick = 1 if told else max(1, int(min(training.epochs, SLOW_FLOPS * CHUNK_SECONDS / flops)))

    def chunk(self) -> None:
        """As many epochs as take about `CHUNK_SECONDS`; one, where somebody is told."""
        began, before = time.perf_counter(), self.now
        done = self.loop.advance(self.quick)
        self.now = self.loop.now
        if self.told is None:
            self.quick = next_chunk(done, time.perf_counter() - began, CHUNK_SECONDS)
            return
        losses, scores = self.loop.last()
        score = None if scores is None else _mean(scores)
        event = _event(self.rules, before, self.now, scores is not None)
        self.told(self.loop.epoch, _mean(losses), score, event)

    def trained(self, interrupted: bool = False) -> list[Trained]:
        """Every network as it is now."""
        carry = self.loop.carry
        losses, scores = self.loop.losses(), self.loop.scores()
        return _trained(self.training, self.rules, self.now, losses, scores, carry.best, interrupted)


class _OnTheHost:
    """Epoch by epoch, for what can't be one loop: sparse rows in blocks, and a single epoch."""

    def __init__(self, training: Training | BlockTraining, rules: Rules, held_out: HeldOut | None, told: Told | None):
        self.training, self.rules, self.held_out, self.told = training, rules, held_out, told
        self.rule, self.now = stopping.begin(rules.limits)
        self.losses: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        # The best so far, of a run that goes on.
        self.best: Any = None if held_out is None else [one.weights for one in training.networks]
        self.penalties = _penalties(training, rules)

    def chunk(self) -> None:
        """One epoch."""
        losses, before = self.training.advance(1)[:, 0] * self.rules.scale, self.penalties
        if self.rules.penalty.any():
            self.penalties = self.rules.penalty * self.training.penalties()
        # A batch's penalty is of the weights before its step: on average over an epoch, before its middle.
        with np.errstate(invalid="ignore", over="ignore"):
            losses = losses + before + self.rules.middle * (self.penalties - before)
        rates = self.now.rates
        self._epoch(losses)
        stopped = ~self.now.going
        if stopped.any() and not stopped.all():
            self.training.retire(stopped)
        if (self.now.rates != rates).any():
            self.training.set_rates(self.now.rates * self.rules.rate_scale)

    def _epoch(self, losses: np.ndarray) -> None:
        going, finite = self.now.going, self.training.finite()
        self.losses.append(np.where(going, losses, np.nan))
        values = self.losses[-1]
        if self.held_out is not None:
            params = self.training.params
            values = np.where(going & finite, self.held_out.scores(self.training.model, params), np.nan)
            self.scores.append(values)
        by_score, before = self.held_out is not None, self.now
        with np.errstate(invalid="ignore"):
            self.now, better = stopping.tell(self.rule, self.now, values, finite, by_score, self.rules.schedule)
        if by_score:
            if isinstance(self.best, list):
                self.best = stacked(self.training.model.sizes, self.best)
            self.best = keep_better(params, self.best, better) if better.any() else self.best
        if self.told is not None:
            score = _mean(self.scores[-1]) if self.scores else None
            event = _event(self.rules, before, self.now, by_score)
            self.told(int(self.now.epochs.max()), _mean(self.losses[-1]), score, event)

    def trained(self, interrupted: bool = False) -> list[Trained]:
        """Every network as it is now."""
        scores = np.stack(self.scores, axis=1) if self.scores else None
        return _trained(
            self.training, self.rules, self.now, np.stack(self.losses, axis=1), scores, self.best, interrupted
        )


def _event(rules: Rules, before: stopping.Progress, now: stopping.Progress, by_score: bool) -> str | None:
    """What the rule changed in an epoch, for whoever reads along."""
    ended = now.settled & ~before.settled
    slower = now.rates < before.rates if rules.schedule == "adaptive" else np.zeros_like(ended)
    changed = np.flatnonzero(ended | slower)
    if not len(changed):
        return None
    limits, what = rules.limits[changed[0]], "validation score" if by_score else "training loss"
    whose = "" if len(ended) == 1 else f" of {len(changed)} of {len(ended)} members"
    then = "training stops" if ended[changed[0]] else f"the learning rate is {now.rates[changed[0]]:g} from now on"
    return (
        f"The {what}{whose} gained less than tol={limits.tol:g} in {limits.n_iter_no_change} epochs in a row: {then}"
    )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _trained(
    training: Training | BlockTraining, rules: Rules, now: stopping.Progress, losses: np.ndarray,
    scores: np.ndarray | None, best: Any, interrupted: bool,
) -> list[Trained]:  # fmt: skip
    epochs, finite = now.epochs.astype(int), training.finite()
    return [
        Trained(
            weights,
            float(now.rates[k]),
            losses[k, : epochs[k]].tolist(),
            None if scores is None else scores[k, : epochs[k]].tolist(),
            _best(rules.limits[k].best, losses[k, : epochs[k]], None if scores is None else scores[k, : epochs[k]]),
            int(now.count[k]),
            bool(now.settled[k]),
            bool(finite[k]),
            interrupted,
        )
        for k, weights in enumerate(training.weights(best))
    ]


def _best(before: float, losses: np.ndarray, scores: np.ndarray | None) -> float:
    return float(np.fmin.reduce(losses, initial=before) if scores is None else np.fmax.reduce(scores, initial=before))
