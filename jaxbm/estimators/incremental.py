"""`partial_fit` on one small batch after the other: what doesn't change from call to call is worked out once.

What comes out is what `fitting.train` gives; whatever is not plain here (weights of samples, rates that change, a
member that diverges) is left to it. All arrays stay with the host between calls: those of an estimator that was
interrupted, copied or changed by hand are still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate, pairwise
from math import isfinite, prod
from numbers import Integral
from operator import is_
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
from jaxbm.estimators.parameters import values_of
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
    steps: int


class StepState(SolverState):
    """A `SolverState` as steps leave it.

    Args:
      solver, rates: as for `SolverState`.
      count: steps taken.
      moments: float32, all numbers one after the other: weights and biases layer by layer, each `[M, ...]`, those of
        the second moment after the first's.
      shapes: of a layer's weights and biases in turn, without members.
      left: an array of all parameters, and the parts of it that were left in the estimator.
    """

    left: tuple[np.ndarray | None, Sequence[np.ndarray]] = (None, ())

    def __init__(
        self, solver: str, rates: list[float], count: int, moments: np.ndarray, shapes: list[tuple[int, ...]],
        left: tuple[np.ndarray | None, Sequence[np.ndarray]],
    ):  # fmt: skip
        self.solver, self.rates, self.count, self.moments, self.shapes = solver, rates, count, moments, shapes
        self.left = left

    def __getstate__(self) -> dict[str, Any]:
        # Further steps of the estimator that it is copied from are made in these moments' place.
        kept = {name: value for name, value in self.__dict__.items() if name != "left"}
        return kept | {"moments": self.moments.copy()}

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


class Turn(NamedTuple):
    """Arrays for a step to be made in.

    Args:
      flat: float32, parameters and moments.
      params, moments: its parts.
      weights: those of the parameters without biases.
      epoch: see `dispatch.epoch_again`.
    """

    flat: np.ndarray
    params: np.ndarray
    moments: np.ndarray
    weights: list[np.ndarray]
    epoch: Any

    @classmethod
    def of(cls, flat: np.ndarray, places: list[slice], bind: Any) -> Turn:
        """The parts of an array that begins with parameters at these places."""
        size = places[-1].stop
        epoch = None if bind is None else bind(flat)
        return cls(flat, flat[:size], flat[size:], [flat[place] for place in places[::2]], epoch)


@dataclass(frozen=True, eq=False)
class Continued:
    """Steps on batches of one size, with an estimator's parameters as they were checked.

    Args:
      checked: those parameters, the very tuple.
      fixed, hyper: of the step, the latter on the device.
      job: of the first such call.
      shapes: of the parameters, layer by layer, without members.
      seeds: of members, the same in each call; None where each call draws others.
      bind: the implementation's own way, see `dispatch.epoch_again`; None for a program of ours around it.
    """

    checked: Any
    fixed: Fixed
    hyper: Any
    job: Job
    shapes: list[tuple[int, ...]]
    seeds: list[int] | None
    bind: Any

    @classmethod
    def of(cls, estimator: Any, job: Job, training: Any) -> Continued | None:
        """What an epoch leaves for calls like it; None where they are not plain."""
        if not isinstance(training, Training) or job.schedule != "constant" or job.program.schedule is not None:
            return None
        if training.rows.weight is not None or training.networks[0].rows is not None:
            return None
        if training.model.n_params * len(training.networks) > MOST_NUMBERS:
            return None
        fixed = Fixed(training.task, training.name, training.rows.n, job.limits[0].steps)
        state = estimator.random_state
        seeds = _seeds(state, len(job.networks)) if isinstance(state, Integral) else None
        shapes: list[tuple[int, ...]] = [shape for a, b in pairwise(training.model.sizes) for shape in ((a, b), (b,))]
        bind = training.epoch_again()
        hyper = jax.device_put(training.own.hyper) if bind is None else None
        return cls(estimator._checked, fixed, hyper, job, shapes, seeds, bind)

    @cached_property
    def stacked(self) -> list[tuple[int, ...]]:
        """The shapes of what an estimator holds: of several members with a leading axis."""
        members = len(self.job.networks)
        return [(members, *shape) for shape in self.shapes] if members > 1 else self.shapes

    @cached_property
    def places(self) -> list[slice]:
        """Where each stands among all parameters."""
        return [slice(*pair) for pair in pairwise(accumulate(map(prod, self.stacked), initial=0))]

    @cached_property
    def turns(self) -> list[Turn]:
        """Two, of which one holds what the last step left."""
        size, moments = self.places[-1].stop, 1 if self.job.program.solver == "sgd" else 2
        return [Turn.of(np.empty(size * (1 + moments), np.float32), self.places, self.bind) for _ in range(2)]

    def again(self, estimator: Any, X: np.ndarray, y: Any) -> bool:
        """`step` of an estimator, rows and labels of which nothing has to be found out, as is quickly seen."""
        if self.bind is None or not all(map(is_, values_of(estimator), self.checked)):
            return False
        labels = estimator._plain_labels(X, y)
        return labels is not None and self._step(estimator, X, labels, X.dtype)

    def step(self, estimator: Any, X: np.ndarray, targets: Targets) -> bool:
        """Train on these rows, and leave everything in the estimator; False where it has to be done otherwise."""
        if estimator._checked is not self.checked:
            return False
        if targets.kind.loss is not self.job.program.loss or targets.loss_scale != self.job.scale:
            return False
        rows = dense(X), targets.labels
        if self.bind is None:
            rows = host_table(*rows)[:2]
        return self._step(estimator, *rows, X.dtype)

    def _step(self, estimator: Any, X: np.ndarray, labels: np.ndarray, dtype: Any) -> bool:
        solver = estimator.__dict__.get("_optimizer")
        if solver is None or solver.solver != estimator.solver:
            return False
        count, moments = _solver_state(solver)
        # What the last step left stays as it is until all is done.
        turn = self.turns[self.turns[0].moments is moments]
        if not self._begin(turn, estimator, solver):
            return False
        turn.moments[...] = moments
        before = self._squares(turn.weights)
        losses = self._trained(estimator, turn, count, X, labels)
        steps, penalty, scale = self.fixed.steps, self.job.penalty, self.job.scale
        middle = 0.5 * (steps - 1) / steps
        reported = [
            loss * scale + penalty * (begun + middle * (ended - begun))
            for loss, begun, ended in zip(losses, before, self._squares(turn.weights), strict=True)
        ]
        if not all(map(isfinite, reported)):
            return False
        params = turn.params.astype(dtype)
        leaves = [params[place].reshape(shape) for place, shape in zip(self.places, self.stacked, strict=True)]
        left = StepState(solver.solver, solver.rates, count + steps, turn.moments, self.shapes, (params, leaves))
        self._leave(estimator, left, reported)
        return True

    def _begin(self, turn: Turn, estimator: Any, solver: Any) -> bool:
        """Parameters as they stand in the estimator; False where they are of other shapes."""
        given = [part for pair in zip(estimator.coefs_, estimator.intercepts_, strict=True) for part in pair]
        params, leaves = solver.left if isinstance(solver, StepState) else (None, ())
        if len(given) == len(leaves) and all(map(is_, given, leaves)):  # they may have other values by now
            turn.params[...] = params
            return True
        if [getattr(part, "shape", None) for part in given] != self.stacked:
            return False
        np.concatenate(given, axis=None, out=turn.params, casting="same_kind")
        return True

    def _trained(self, estimator: Any, turn: Turn, count: int, X: np.ndarray, labels: np.ndarray) -> list[float]:
        """The losses of an epoch, NaN for members that diverged; parameters and moments are changed."""
        seeds = self.seeds or _seeds(estimator.random_state, len(self.job.networks))
        seen = estimator.t_ % 2**32
        if turn.epoch is not None:
            return turn.epoch(seeds, seen, count, X, labels)
        words = np.asarray([(seed, seen) for seed in seeds], np.uint32)
        return self._by_program(turn.flat, count, words, X, labels)

    @non_finite_is_told
    def _by_program(self, flat: np.ndarray, count: int, words: np.ndarray, X: Any, labels: Any) -> list[float]:
        forks.check()
        leaves = leaves_of(flat, [(len(words), *shape) for shape in self.shapes])
        after, losses = _step(self.fixed, leaves, words, np.int32(count), self.hyper, X, labels)
        np.concatenate([np.ravel(leaf) for leaf in after], out=flat)
        return np.asarray(losses).tolist()

    def _squares(self, weights: list[np.ndarray]) -> list[float]:
        """Each member's sum of squared weights."""
        members = len(self.job.networks)
        if not self.job.penalty:
            return [0.0] * members
        if members == 1:
            return [sum([float(np.vdot(w, w)) for w in weights])]
        rows = [w.reshape(members, -1) for w in weights]
        return [sum(float(np.vdot(w[k], w[k])) for w in rows) for k in range(members)]

    def _leave(self, estimator: Any, left: StepState, losses: list[float]) -> None:
        """Fitted attributes, as `fitted.adopt` sets them."""
        _, leaves = left.left
        estimator._optimizer, estimator.coefs_, estimator.intercepts_ = left, leaves[::2], leaves[1::2]
        bests, counts, tol = estimator._best_values, estimator._no_improvement_counts, estimator.tol
        counts = [
            count + 1 if best - loss < tol else 0 for best, loss, count in zip(bests, losses, counts, strict=True)
        ]
        bests = [loss if loss < best else best for best, loss in zip(bests, losses, strict=True)]
        estimator._best_values, estimator._no_improvement_counts = bests, counts
        estimator._no_improvement_count = counts[0]
        estimator.n_iter_ = 1
        estimator.t_ += self.fixed.rows
        is_one = len(losses) == 1
        estimator.loss_ = losses[0] if is_one else fmean(losses)
        estimator.loss_curve_.append(estimator.loss_)
        estimator.best_loss_ = bests[0] if is_one else fmean(bests)


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
