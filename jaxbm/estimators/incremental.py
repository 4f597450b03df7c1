"""`partial_fit` on one small batch after the other: what doesn't change from call to call is worked out once.

The parameters of all members and their moments go into the compiled step as one array and come back as one, since a
call takes longer by every array. What comes out is what `fitting.train` gives; whatever is not plain here
(weights of samples, rates that change, a member that diverges) is left to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from sklearn.utils import check_random_state

from jaxbm.core.settings import non_finite_is_told
from jaxbm.estimators.fitted import SolverState
from jaxbm.estimators.jobs import Job
from jaxbm.estimators.networks import Training, mapped, only_epoch
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
    sizes: tuple[int, ...]
    rows: int


class PackedState(SolverState):
    """A `SolverState` whose moments are one array.

    Args:
      solver, rates: as for `SolverState`.
      sizes: widths from input to output.
      count: steps taken.
      moments: float32 `[M, moments, numbers]`, each packed like the parameters.
    """

    def __init__(self, solver: str, rates: list[float], sizes: tuple[int, ...], count: int, moments: np.ndarray):
        self.solver, self.rates, self.sizes, self.count, self.moments = solver, rates, sizes, count, moments

    @property
    def states(self) -> Any:
        """As the core has them."""
        found = [unpacked(self.moments[:, i], self.sizes) for i in range(self.moments.shape[1])]
        count: Any = np.full(len(self.moments), self.count, np.int32)
        return AdamState(count, *found) if len(found) == 2 else SgdState(count, *found)


def unpacked(flat: Any, sizes: tuple[int, ...]) -> tuple[Dense, ...]:
    """Layers whose numbers lie one after the other in the last axis of `flat`."""
    layers, at, lead = [], 0, flat.shape[:-1]
    for fan_in, fan_out in pairwise(sizes):
        middle, end = at + fan_in * fan_out, at + (fan_in + 1) * fan_out
        layers.append(Dense(flat[..., at:middle].reshape(*lead, fan_in, fan_out), flat[..., middle:end]))
        at = end
    return tuple(layers)


def packed(layers: Sequence[Any], lead: tuple[int, ...], out: np.ndarray) -> None:
    """The inverse of `unpacked`, into `out`."""
    at = 0
    for layer in layers:
        for part in layer:
            flat = np.reshape(part, (*lead, -1))
            out[..., at : at + flat.shape[-1]] = flat
            at += flat.shape[-1]


@dataclass(frozen=True, eq=False)
class Continued:
    """Steps on batches of one size, with an estimator's parameters as they were checked.

    Args:
      checked: those parameters, the very tuple.
      fixed, hyper: of the step, the latter on the device.
      job: of the first such call.
      seeds: of members, the same in each call; None where each call draws others.
    """

    checked: Any
    fixed: Fixed
    hyper: Any
    job: Job
    seeds: list[int] | None

    @classmethod
    def of(cls, estimator: Any, job: Job, training: Any) -> Continued | None:
        """What an epoch leaves for calls like it; None where they are not plain."""
        if not isinstance(training, Training) or job.schedule != "constant" or job.program.schedule is not None:
            return None
        if training.rows.weight is not None or training.networks[0].rows is not None:
            return None
        if training.model.n_params * len(training.networks) > MOST_NUMBERS:
            return None
        sizes = training.model.sizes
        fixed = Fixed(training.task, training.name, sizes, training.rows.n)
        state = estimator.random_state
        seeds = _seeds(state, len(job.networks)) if isinstance(state, Integral) else None
        return cls(estimator._checked, fixed, jax.device_put(training.own.hyper), job, seeds)

    def step(self, estimator: Any, X: np.ndarray, targets: Targets) -> bool:
        """Train on these rows, and leave everything in the estimator; False where it has to be done otherwise."""
        solver = getattr(estimator, "_optimizer", None)
        lead = () if len(self.job.networks) == 1 else (len(self.job.networks),)
        if estimator._checked is not self.checked or solver is None or solver.solver != estimator.solver:
            return False
        if targets.kind.loss is not self.job.program.loss or targets.loss_scale != self.job.scale:
            return False
        layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
        if [np.shape(w) for w, _ in layers] != [(*lead, *pair) for pair in pairwise(self.fixed.sizes)]:
            return False
        state, count = self._state(layers, lead, solver)
        before = self._squares(state)
        after, losses = self._trained(estimator, state, count, X, targets)
        job = self.job
        middle = 0.5 * (job.limits[0].steps - 1) / job.limits[0].steps
        with np.errstate(over="ignore", invalid="ignore"):
            begun = job.penalty * before
            losses = losses * job.scale + begun + middle * (job.penalty * self._squares(after) - begun)
        if not np.isfinite(losses).all():
            return False
        rates = [float(rate) for rate in solver.rates]
        moments, sizes = after[:, 1:], self.fixed.sizes
        estimator._optimizer = PackedState(estimator.solver, rates, sizes, count + job.limits[0].steps, moments)
        self._leave(estimator, after[:, 0], losses, X.dtype)
        return True

    def _state(self, layers: list[Any], lead: tuple[int, ...], solver: Any) -> tuple[np.ndarray, int]:
        """float32 `[M, 1 + moments, numbers]`, and the steps taken."""
        members = len(self.job.networks)
        sizes = self.fixed.sizes
        numbers = sum((a + 1) * b for a, b in pairwise(sizes))
        moments = 1 if self.job.program.solver == "sgd" else 2
        state = np.empty((members, 1 + moments, numbers), np.float32)
        packed(layers, lead, state[:, 0] if lead else state[0, 0])
        if isinstance(solver, PackedState):
            state[:, 1:] = solver.moments
            return state, solver.count
        count, *found = solver.states
        for i, moment in enumerate(found):
            packed(moment, (members,), state[:, 1 + i])
        return state, int(np.asarray(count)[0])

    @non_finite_is_told
    def _trained(
        self, estimator: Any, state: np.ndarray, count: int, X: np.ndarray, targets: Targets
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = host_table(dense(X), targets.labels)
        seeds = self.seeds or _seeds(estimator.random_state, len(state))
        words = np.asarray([seeds, *[[number] * len(state) for number in (estimator.t_, count)]])
        found = _step(self.fixed, state, (words % 2**32).astype(np.uint32), self.hyper, rows.x, rows.y)
        return np.asarray(found[0]), np.asarray(found[1], np.float64)

    def _squares(self, state: np.ndarray) -> np.ndarray:
        """float64 `[M]`: the sum of squared weights."""
        if not self.job.penalty:
            return np.zeros(len(state))
        found, at = np.zeros(len(state)), 0
        for fan_in, fan_out in pairwise(self.fixed.sizes):
            part = state[:, 0, at : at + fan_in * fan_out]
            found += [float(np.vdot(one, one)) for one in part]
            at += (fan_in + 1) * fan_out
        return found

    def _leave(self, estimator: Any, params: np.ndarray, losses: np.ndarray, dtype: Any) -> None:
        """Fitted attributes, as `fitted.adopt` sets them."""
        layers = unpacked(params[0] if len(params) == 1 else params, self.fixed.sizes)
        estimator.coefs_ = [np.array(layer.weight, dtype) for layer in layers]
        estimator.intercepts_ = [np.array(layer.bias, dtype) for layer in layers]
        before, counts = estimator._best_values, estimator._no_improvement_counts
        values, tol = losses.tolist(), estimator.tol
        estimator._no_improvement_counts = [
            count + 1 if best - loss < tol else 0
            for best, loss, count in zip(before, values, counts, strict=True)
        ]  # fmt: skip
        estimator._no_improvement_count = estimator._no_improvement_counts[0]
        estimator._best_values = [min(pair) for pair in zip(before, values, strict=True)]
        estimator.n_iter_ = 1
        estimator.t_ += self.fixed.rows
        estimator.loss_curve_.append(float(losses.mean()))
        estimator.loss_ = estimator.loss_curve_[-1]
        estimator.best_loss_ = float(np.mean(estimator._best_values))


def _seeds(random_state: Any, members: int) -> list[int]:
    return member_seeds(check_random_state(random_state), members)


@partial(jax.jit, static_argnums=0)
def _step(fixed: Fixed, state: Array, words: Array, hyper: Any, x: Array, y: Array) -> tuple[Array, Array]:
    """`state` `[M, 1 + moments, numbers]` after an epoch, and its losses `[M]`, NaN for members that diverged."""

    def one(state: Array, words: Array, hyper: Any) -> tuple[Array, Array]:
        seed, seen, count = words
        params, *moments = (unpacked(part, fixed.sizes) for part in state)
        opt_state: Any = AdamState if len(moments) == 2 else SgdState
        data = Data(x, y)._replace(count=jnp.int32(fixed.rows))
        inputs = Inputs(data, hyper, params, opt_state(count.astype(jnp.int32), *moments))
        after = only_epoch(fixed.task, fixed.implementation, (seed, seen), jnp.bool_(True), inputs)
        _, *moments = after.opt_state
        flat = [
            jnp.concatenate([part.reshape(-1) for layer in tree for part in layer])
            for tree in (after.params, *moments)
        ]
        return jnp.stack(flat), jnp.where(after.finite, after.history["loss"][0], jnp.nan)

    return mapped(one, state, words.T, hyper)
