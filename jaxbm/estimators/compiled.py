"""Epochs under scikit-learn's rules as one compiled call: training, scores, penalties, the rule and the rates.

What happens between two epochs takes longer on the host than the epochs of a small network. Here the loop over them
is compiled: as many at once as the rule can do without, then their losses (or one epoch, then its score) are told to
the rule, until every network has stopped or `until` is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxbm.core.halves import merged
from jaxbm.core.mapping import mapped
from jaxbm.estimators import stopping
from jaxbm.estimators.networks import Training
from jaxbm.estimators.states import keep_better, squares, with_rates
from jaxbm.estimators.stopping import Limits, Progress, Rule
from jaxbm.estimators.validation import HeldOut, Part, most_rows, score_of, sums_of
from jaxbm.kernels import dispatch
from jaxbm.members.stacking import Inputs
from jaxbm.run.contract import RunState, Task


class Fixed(NamedTuple):
    """What fixes the compiled code."""

    task: Task
    implementation: str
    schedule: str
    kind: str | None
    """of what is scored; None where the training loss decides"""
    most_scored: int


class Numbers(NamedTuple):
    """What is read."""

    words: Any
    own: Inputs
    shared: Inputs
    rule: Rule
    penalty: Any
    """`[M]`, what a sum of squared weights is multiplied by"""
    middle: Any
    """`[M]`, how many epochs before its end an epoch's penalty is that of, on average"""
    scale: Any
    rate_scale: Any
    part: Part | None
    total: Any


class Carry(NamedTuple):
    """What changes."""

    state: RunState
    now: Progress
    epoch: Any
    penalty: Any
    """`[M]`, after the last epoch"""
    penalties: Any
    """`[M, epochs]`, of each epoch"""
    sums: Any
    """`[M, epochs, out]`, what each epoch's score is made of"""
    best: Any
    """parameters of the epochs with the best scores"""


class CompiledEpochs:
    """Networks that train by themselves until they have stopped.

    Args:
      training: before its first epoch.
      limits: of each network.
      schedule, penalty, middle, scale, rate_scale: as of `fitting.Rules`.
      before: `[M]`, the penalties of the first weights.
      held_out: rows in one part, whose score decides.
    """

    def __init__(
        self, training: Training, limits: Sequence[Limits], schedule: str, penalty: np.ndarray, middle: np.ndarray,
        scale: float, rate_scale: float, before: np.ndarray, held_out: HeldOut | None,
    ):  # fmt: skip
        self.training, self.held_out = training, held_out
        m, epochs = len(limits), training.task.epochs
        rule, now = stopping.begin(limits, np.float32)
        part, kind, most = None, None, 0
        sums = best = total = None
        if held_out is not None:
            (part,), kind, total = held_out.parts, held_out.kind, np.asarray(held_out.total, np.float32)
            most = most_rows(part)
            sums = np.full((m, epochs, total.shape[1]), np.nan, np.float32)
            best = jax.tree.map(np.array, training.params)  # the best so far, of a run that goes on
        self.fixed = Fixed(training.task, training.name, schedule, kind, most)
        self.numbers = Numbers(
            training.words, training.own, training.shared, rule, penalty.astype(np.float32),
            middle.astype(np.float32), np.float32(scale), np.float32(rate_scale), part, total,
        )  # fmt: skip
        self._past: list[tuple[np.ndarray, np.ndarray | None]] = []
        penalties = np.zeros((m, epochs), np.float32)
        self.carry = Carry(training.state, now, np.int32(0), before.astype(np.float32), penalties, sums, best)

    def advance(self, epochs: int) -> int:
        """Train that many epochs further, less where all stop before; how many were trained."""
        length = self.training.task.epochs
        if self.training.epoch == length:
            self._turn_over()
        before = self.training.epoch
        self.carry = _epochs(self.fixed, self.carry, self.numbers, np.int32(min(before + epochs, length)))
        after = int(self.carry.epoch)
        self.training.go_on_from(self.carry.state, after)
        return after - before

    @property
    def now(self) -> Progress:
        """Where the networks are, on the host."""
        return Progress(*(np.asarray(part) for part in self.carry.now))

    @property
    def epoch(self) -> int:
        """How many were trained."""
        return self.training.epoch + len(self._past) * self.training.task.epochs

    def losses(self) -> np.ndarray:
        """float64 `[M, epochs]`, penalties included."""
        return np.concatenate([*(losses for losses, _ in self._past), self._losses()], axis=1)

    def scores(self) -> np.ndarray | None:
        """float64 `[M, epochs]`; None where none are taken."""
        if self.held_out is None:
            return None
        return np.concatenate([*(scores for _, scores in self._past if scores is not None), self._scores(0)], axis=1)

    def last(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Losses and scores `[M]` of the last epoch."""
        scores = None if self.held_out is None else self._scores(self.training.epoch - 1)[:, -1]
        return self._losses()[:, -1], scores

    def _losses(self) -> np.ndarray:
        done = self.training.epoch
        losses = np.asarray(self.carry.state.history["loss"], np.float64)[:, :done]
        return losses * float(self.numbers.scale) + np.asarray(self.carry.penalties, np.float64)[:, :done]

    def _scores(self, since: int) -> np.ndarray:
        held_out: Any = self.held_out
        sums = np.asarray(self.carry.sums, np.float64)
        kind, whole = held_out.kind, held_out.total
        return np.stack([score_of(kind, sums[:, i], whole) for i in range(since, self.training.epoch)], axis=1)

    def _turn_over(self) -> None:
        """Put aside what the epochs' buffers hold, and go on from their start: the orders of rows come once more."""
        self._past.append((self._losses(), None if self.held_out is None else self._scores(0)))
        state = self.carry.state
        history: Any = {name: np.full(part.shape, np.nan, part.dtype) for name, part in state.history.items()}
        zero: Any = np.zeros_like(state.epoch)
        state = state._replace(epoch=zero, history=history)
        self.carry = self.carry._replace(state=state, epoch=np.int32(0))
        self.training.go_on_from(state, 0)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _epochs(fixed: Fixed, carry: Carry, numbers: Numbers, until: Array) -> Carry:
    def is_going(carry: Carry) -> Array:
        return carry.now.going.any() & (carry.epoch < until)

    return lax.while_loop(
        is_going, lambda carry: _some(fixed, numbers, until, carry), jax.tree.map(jnp.asarray, carry)
    )


def _some(fixed: Fixed, numbers: Numbers, until: Array, carry: Carry) -> Carry:
    """As many epochs as can be trained at once, and what they mean."""
    rule, now, at = numbers.rule, carry.now, carry.epoch
    epochs = jnp.int32(1)
    if fixed.kind is None:
        # Where the penalty changes by more than `tol` it has to be measured after every epoch, not interpolated.
        heavy = ((carry.penalty > rule.tol) & (rule.tol > 0) & now.going).any()
        epochs = jnp.where(heavy, 1, stopping.free(rule, now, fixed.schedule, jnp))
    stop = jnp.minimum(at + epochs, until)
    state = _trained(fixed, numbers, carry, stop)
    after = numbers.penalty * squares(state.params)
    losses = state.history["loss"] * numbers.scale
    sums, best, scores = carry.sums, carry.best, None
    if numbers.part is not None and fixed.kind is not None:
        found = sums_of(fixed.kind, fixed.most_scored, fixed.task.model, state.params, numbers.part)
        found = jnp.where(state.finite[:, None], found, jnp.nan)
        sums = sums.at[:, at].set(found)
        scores = score_of(fixed.kind, found, numbers.total, jnp)

    def one(i: Array, told: tuple[Progress, Array, Array]) -> tuple[Progress, Array, Array]:
        now, penalties, _ = told
        part = numbers.middle.dtype
        # A batch's penalty is of the weights before its step: on average over an epoch, before its middle.
        penalty = carry.penalty + (jnp.asarray(i, part) + numbers.middle) / (stop - at).astype(part) * (
            after - carry.penalty
        )
        values = losses[:, at + i] + penalty if scores is None else scores
        # A network that diverges stops there: its loss is NaN from the next epoch on.
        alive = jnp.where(at + i + 1 == stop, state.finite, state.finite | jnp.isfinite(values))
        now, better = stopping.tell(rule, now, values, alive, scores is not None, fixed.schedule, jnp)
        return now, penalties.at[:, at + i].set(penalty), better

    now, penalties, better = lax.fori_loop(0, stop - at, one, (now, carry.penalties, jnp.zeros_like(now.going)))
    if scores is not None:
        best = keep_better(state.params, best, better)
    state = state._replace(active=state.active & now.going)
    if fixed.schedule != "constant":
        state = with_rates(state, carry.now.rates, now.rates)
    return Carry(state, now, stop, after, penalties, sums, best)


def _trained(fixed: Fixed, numbers: Numbers, carry: Carry, stop: Array) -> RunState:
    own = numbers.own
    if fixed.schedule != "constant":
        optimizer = replace(own.hyper.optimizer, learning_rate=carry.now.rates * numbers.rate_scale)
        own = own._replace(hyper=own.hyper._replace(optimizer=optimizer))

    def one(state: RunState, words: Any, own: Inputs) -> RunState:
        data, hyper, _, _ = merged(own, numbers.shared)
        run = dispatch.runner(fixed.implementation, differentiable=False)
        return run(fixed.task, state, data, hyper, words, stop)

    return mapped(one, carry.state, numbers.words, own)
