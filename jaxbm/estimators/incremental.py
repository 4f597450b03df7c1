"""`partial_fit` on one small batch after the other: what doesn't change from call to call is worked out once.

What comes out is what `fitting.train` gives; whatever is not plain here (weights of samples, rates that change, a
member that diverges) is left to it. All arrays stay with the host between calls: those of an estimator that was
interrupted, copied or changed by hand are still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import isfinite, prod
from numbers import Integral
from statistics import fmean
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from sklearn.utils import check_random_state

from jaxbm.core import forks
from jaxbm.core.mapping import mapped
from jaxbm.core.settings import non_finite_is_told
from jaxbm.estimators.fitted import SolverState
from jaxbm.estimators.jobs import Job
from jaxbm.estimators.networks import Training, only_epoch
from jaxbm.estimators.rows import dense
from jaxbm.estimators.start import member_seeds
from jaxbm.estimators.tables import host_table
from jaxbm.estimators.targets import Targets
from jaxbm.members.stacking import Inputs
from jaxbm.models.mlp import Dense
from jaxbm.optimizers.descent import SgdState
from jaxbm.optimizers.moments import AdamState
from jaxbm.run.contract import Data, Task

MOST_NUMBERS = 100_000
"""More parameters take longer to be put together than calls do."""


class Fixed(NamedTuple):
    """What fixes the compiled step."""

    task: Task
    implementation: str
    rows: int


class StepState(SolverState):
    """A `SolverState` as steps leave it.

    Args:
      solver, rates: as for `SolverState`.
      count: steps taken.
      moments: float32, all numbers one after the other: weights and biases layer by layer, each `[M, ...]`, those of
        the second moment after the first's.
      shapes: of a layer's weights and biases in turn, without members.
    """

    def __init__(
        self, solver: str, rates: list[float], count: int, moments: np.ndarray, shapes: list[tuple[int, ...]]
    ):
        self.solver, self.rates, self.count, self.moments, self.shapes = solver, rates, count, moments, shapes

    @property
    def states(self) -> Any:
        """As the core has them."""
        count: Any = np.full(len(self.rates), self.count, np.int32)
        leaves = leaves_of(self.moments, [(len(self.rates), *shape) for shape in self.shapes])
        if self.solver == "sgd":
            return SgdState(count, layers_of(leaves))
        half = len(leaves) // 2
        return AdamState(count, layers_of(leaves[:half]), layers_of(leaves[half:]))


def leaves_of(flat: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Arrays of such shapes, again and again, that lie one after the other."""
    found, at = [], 0
    while at < len(flat):
        for shape in shapes:
            size = prod(shape)
            found.append(flat[at : at + size].reshape(shape))
            at += size
    return found


def layers_of(leaves: Sequence[Any]) -> tuple[Dense, ...]:
    """Layers of weights and biases that follow each other."""
    return tuple(Dense(*pair) for pair in zip(leaves[::2], leaves[1::2], strict=True))


@dataclass(frozen=True, eq=False)
class Continued:
    """Steps on batches of one size, with an estimator's parameters as they were checked.

    Args:
      checked: those parameters, the very tuple.
      fixed, hyper: of the step, the latter on the device.
      job: of the first such call.
      shapes: of the parameters, layer by layer, without members.
      seeds: of members, the same in each call; None where each call draws others.
      epoch: the implementation's own way, see `dispatch.epoch_again`; None for a program of ours around it.
    """

    checked: Any
    fixed: Fixed
    hyper: Any
    job: Job
    shapes: list[tuple[int, ...]]
    seeds: list[int] | None
    epoch: Any

    @classmethod
    def of(cls, estimator: Any, job: Job, training: Any) -> Continued | None:
        """What an epoch leaves for calls like it; None where they are not plain."""
        if not isinstance(training, Training) or job.schedule != "constant" or job.program.schedule is not None:
            return None
        if training.rows.weight is not None or training.networks[0].rows is not None:
            return None
        if training.model.n_params * len(training.networks) > MOST_NUMBERS:
            return None
        fixed = Fixed(training.task, training.name, training.rows.n)
        state = estimator.random_state
        seeds = _seeds(state, len(job.networks)) if isinstance(state, Integral) else None
        shapes: list[tuple[int, ...]] = [shape for a, b in pairwise(training.model.sizes) for shape in ((a, b), (b,))]
        epoch = training.epoch_again()
        hyper = jax.device_put(training.own.hyper) if epoch is None else None
        return cls(estimator._checked, fixed, hyper, job, shapes, seeds, epoch)

    def step(self, estimator: Any, X: np.ndarray, targets: Targets) -> bool:
        """Train on these rows, and leave everything in the estimator; False where it has to be done otherwise."""
        solver = getattr(estimator, "_optimizer", None)
        if estimator._checked is not self.checked or solver is None or solver.solver != estimator.solver:
            return False
        if targets.kind.loss is not self.job.program.loss or targets.loss_scale != self.job.scale:
            return False
        given = [part for pair in zip(estimator.coefs_, estimator.intercepts_, strict=True) for part in pair]
        shapes = self.shapes
        if len(self.job.networks) > 1:
            shapes = [(len(self.job.networks), *shape) for shape in shapes]
        if [np.shape(part) for part in given] != shapes:
            return False
        count, moments = _solver_state(solver)
        size = sum(map(prod, shapes))
        flat = np.empty(size + len(moments), np.float32)
        params = leaves_of(flat[:size], shapes)
        for leaf, part in zip(params, given, strict=True):
            leaf[...] = part
        flat[size:] = moments
        before = self._squares(params)
        losses = self._trained(estimator, flat, count, X, targets)
        steps, penalty = self.job.limits[0].steps, self.job.penalty
        middle, scale = 0.5 * (steps - 1) / steps, self.job.scale
        reported = [
            loss * scale + penalty * (begun + middle * (ended - begun))
            for loss, begun, ended in zip(losses, before, self._squares(params), strict=True)
        ]
        if not all(map(isfinite, reported)):
            return False
        rates = [*map(float, solver.rates)]
        estimator._optimizer = StepState(estimator.solver, rates, count + steps, flat[size:], self.shapes)
        self._leave(estimator, params, reported, X.dtype)
        return True

    @non_finite_is_told
    def _trained(self, estimator: Any, flat: np.ndarray, count: int, X: np.ndarray, targets: Targets) -> list[float]:
        """The losses of an epoch, NaN for members that diverged; parameters and moments, `flat`, are changed."""
        rows = host_table(dense(X), targets.labels)
        members = len(self.job.networks)
        seeds = self.seeds or _seeds(estimator.random_state, members)
        words = np.asarray([[seed, estimator.t_ % 2**32] for seed in seeds], np.uint32)
        if self.epoch is not None:
            return self.epoch(words, count, flat, rows.x, rows.y)
        forks.check()
        leaves = leaves_of(flat, [(members, *shape) for shape in self.shapes])
        after, losses = _step(self.fixed, leaves, words, np.int32(count), self.hyper, rows.x, rows.y)
        np.concatenate([np.ravel(leaf) for leaf in after], out=flat)
        return np.asarray(losses).tolist()

    def _squares(self, params: list[np.ndarray]) -> list[float]:
        """Each member's sum of squared weights."""
        if not self.job.penalty:
            return [0.0] * len(self.job.networks)
        if len(self.job.networks) == 1:
            return [sum(float(np.vdot(w, w)) for w in params[::2])]
        return [sum(float(np.vdot(w[k], w[k])) for w in params[::2]) for k in range(len(params[0]))]

    def _leave(self, estimator: Any, params: list[np.ndarray], losses: list[float], dtype: Any) -> None:
        """Fitted attributes, as `fitted.adopt` sets them."""
        estimator.coefs_ = [np.array(weight, dtype) for weight in params[::2]]
        estimator.intercepts_ = [np.array(bias, dtype) for bias in params[1::2]]
        before, counts, tol = estimator._best_values, estimator._no_improvement_counts, estimator.tol
        estimator._no_improvement_counts = [
            count + 1 if best - loss < tol else 0
            for best, loss, count in zip(before, losses, counts, strict=True)
        ]  # fmt: skip
        estimator._no_improvement_count = estimator._no_improvement_counts[0]
        estimator._best_values = [min(pair) for pair in zip(before, losses, strict=True)]
        estimator.n_iter_ = 1
        estimator.t_ += self.fixed.rows
        estimator.loss_ = fmean(losses)
        estimator.loss_curve_.append(estimator.loss_)
        estimator.best_loss_ = fmean(estimator._best_values)


def _seeds(random_state: Any, members: int) -> list[int]:
    return member_seeds(check_random_state(random_state), members)


def _solver_state(solver: Any) -> tuple[int, np.ndarray]:
    """The steps taken, and the moments as `StepState` has them."""
    if isinstance(solver, StepState):
        return solver.count, solver.moments
    count, *moments = solver.states
    leaves = [np.ravel(part) for tree in moments for layer in tree for part in layer]
    return int(np.asarray(count)[0]), np.concatenate(leaves)


@partial(jax.jit, static_argnums=0)
def _step(
    fixed: Fixed, leaves: list[Array], words: Array, count: Array, hyper: Any, x: Array, y: Array
) -> tuple[list[Array], Array]:
    """`leaves`, parameters and moments `[M, ...]`, after an epoch, and its losses `[M]`, NaN for members that
    diverged."""
    kept = 2 * len(fixed.task.model.sizes) - 2

    def one(leaves: list[Array], words: Array, hyper: Any) -> tuple[list[Array], Array]:
        params, *moments = (layers_of(leaves[i : i + kept]) for i in range(0, len(leaves), kept))
        opt_state: Any = AdamState if len(moments) == 2 else SgdState
        data = Data(x, y)._replace(count=jnp.int32(fixed.rows))
        inputs = Inputs(data, hyper, params, opt_state(count, *moments))
        after = only_epoch(fixed.task, fixed.implementation, (words[0], words[1]), jnp.bool_(True), inputs)
        _, *moments = after.opt_state
        flat = [part for tree in (after.params, *moments) for layer in tree for part in layer]
        return flat, jnp.where(after.finite, after.history["loss"][0], jnp.nan)

    return mapped(one, leaves, words, hyper)
