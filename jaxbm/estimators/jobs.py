"""From an estimator's parameters to networks in training: what a call of `fit` or `partial_fit` amounts to.

Nothing here looks at the rows themselves, so that a search can make the jobs of all its candidates and folds, over
one table, and train them in one call: each is the job that the candidate's own `fit` would have made.
"""

from __future__ import annotations

import os
import reprlib
import warnings
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError

from jaxbm.estimators.fitting import Rules
from jaxbm.estimators.networks import Network, Program, Weights
from jaxbm.estimators.start import first_weights, member_seeds
from jaxbm.estimators.stopping import Limits
from jaxbm.estimators.targets import Targets

ALL_ROWS = 1 << 30
"""A program's batch size where every batch is all rows: then networks of different numbers of rows can share it."""
AUTO_BATCH = 200
WIDEST = 2**31 - 1
SMALLEST_EPSILON = 1e-30
"""A smaller one is none in float32, where it keeps 0 / 0 from being computed; it is below any root but 0."""
ALIASES = {"logistic": "sigmoid"}


@dataclass(frozen=True)
class Job:
    """Networks of one estimator, to be trained together; with others' where the programs are equal."""

    program: Program
    networks: list[Network]
    limits: list[Limits]
    schedule: str
    penalty: float
    scale: float
    rate_scale: float
    held_out: np.ndarray | None
    """rows of the table that are scored, where the scores decide"""

    @property
    def rules(self) -> Rules:
        """For these networks alone."""
        return Rules(
            self.limits, self.schedule, np.full(len(self.networks), self.penalty), self.scale, self.rate_scale
        )


@dataclass(frozen=True)
class State:
    """Where an earlier call left an estimator; for a first call everything but `rng` stays as it is here."""

    weights: list[Weights] | None = None
    """of each member"""
    opt_state: Any = None
    """of all members, stacked"""
    rates: list[float] | None = None
    best: list[float] | None = None
    counts: list[int] | None = None
    seen: int = 0


def hidden_sizes(estimator: Any) -> tuple[int, ...]:
    """The hidden layers' widths.

    Raises:
      sklearn.utils._param_validation.InvalidParameterError: one is not a positive integer.
    """
    given = estimator.hidden_layer_sizes
    if type(given) is tuple and all(type(size) is int and 0 < size <= WIDEST for size in given):
        return given
    is_one = not hasattr(given, "__iter__") or (isinstance(given, np.ndarray) and given.ndim == 0)
    sizes = [given] if is_one else list(given)
    for size in sizes:
        if isinstance(size, bool) or not hasattr(size, "__index__") or isinstance(size, np.ndarray):
            got = f"an array of shape {list(size.shape)}" if isinstance(size, np.ndarray) else repr(size)
            raise InvalidParameterError(f"hidden_layer_sizes must be integers > 0, got {got}")
        if size <= 0:
            raise InvalidParameterError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        if size > WIDEST:
            raise InvalidParameterError(f"hidden_layer_sizes must be at most {WIDEST}, got {reprlib.repr(size)}.")
    return tuple(int(size) for size in sizes)


def job_of(
    estimator: Any,
    targets: Targets,
    features: int,
    rows: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    state: State | None = None,
    one_epoch: bool = False,
    held_out: np.ndarray | None = None,
    starts: dict[Any, Any] | None = None,
) -> Job:
    """What the estimator trains.

    Args:
      estimator: with its parameters.
      targets: of the whole table.
      features: columns of the table.
      rows: int `[k]`, of the table, to train on, and to set some aside from with `early_stopping`.
      weight: float32 `[n]`, of the table's rows.
      state: to go on from.
      one_epoch: for `partial_fit`.
      held_out: rows to score instead of a part of `rows`.
      starts: what was drawn for others; what is drawn now is put there.
    """
    state = state or State()
    sizes = (features, *hidden_sizes(estimator), targets.outputs)
    _check_members(estimator, sizes)
    weights, seeds, rows, held_out = _drawn(estimator, targets, sizes, rows, held_out, state, starts)
    batch = len(rows) if estimator.solver == "lbfgs" else _batch_size(estimator.batch_size, len(rows))
    steps = -(-len(rows) // batch)
    mean_weight = 1.0 if weight is None else float(np.mean(weight[rows], dtype=np.float64))
    # Every batch's loss holds `l2` over its own rows: an epoch's mean holds one share for each step.
    penalty = _l2(estimator) * steps / (len(rows) * mean_weight) if mean_weight else 0.0
    rate_scale = targets.gradient_scale if estimator.solver == "sgd" else 1
    rates = state.rates or [estimator.learning_rate_init] * estimator.members
    networks = [
        _network(
            estimator,
            targets.gradient_scale,
            weights=weights[k],
            seed=seeds[k],
            seen=state.seen,
            rows=rows,
            learning_rate=rates[k] * rate_scale,
        )
        for k in range(estimator.members)
    ]
    worst = np.inf if held_out is None else -np.inf
    limits = [
        Limits(
            tol=estimator.tol,
            n_iter_no_change=estimator.n_iter_no_change,
            max_iter=1 if one_epoch else int(estimator.max_iter),
            learning_rate=estimator.learning_rate_init,
            rate=rates[k],
            power_t=estimator.power_t,
            best=worst if state.best is None else state.best[k],
            count=0 if state.counts is None else state.counts[k],
            rows=len(rows),
            seen=state.seen,
            steps=steps,
        )
        for k in range(estimator.members)
    ]
    schedule = estimator.learning_rate if estimator.solver == "sgd" else "constant"
    program = _program(estimator, targets, batch, len(rows))
    return Job(program, networks, limits, schedule, penalty, targets.loss_scale, rate_scale, held_out)


def _drawn(
    estimator: Any,
    targets: Targets,
    sizes: tuple[int, ...],
    rows: np.ndarray,
    held_out: np.ndarray | None,
    state: State,
    starts: dict[Any, Any] | None,
) -> tuple[list[Weights], list[int], np.ndarray, np.ndarray | None]:
    """Each member's first weights and seed, the rows to train on and those to score, in scikit-learn's order."""
    splits = estimator.early_stopping and held_out is None and estimator.solver != "lbfgs"
    activation = ALIASES.get(estimator.activation, estimator.activation)
    key = None
    if starts is not None and isinstance(estimator.random_state, Integral) and not splits and state.weights is None:
        key = int(estimator.random_state), sizes, activation, estimator.weight_init, estimator.members
    weights, seeds = (starts or {}).get(key, ([], []))
    if not seeds:
        rng = check_random_state(estimator.random_state)
        for k in range(estimator.members):
            if state.weights is None:
                weights.append(first_weights(rng, sizes, activation, estimator.weight_init))
            else:
                weights.append(state.weights[k])
            if splits and k == 0:
                rows, held_out = _split(estimator, targets, rows, rng)
            seeds += member_seeds(rng, 1)
    if key is not None and starts is not None:
        starts[key] = weights, seeds
    return weights, seeds, rows, held_out


def _l2(estimator: Any) -> float:
    """The factor of squared weights in a batch's loss; AdamW's decay is none of it."""
    return 0.0 if estimator.solver == "adamw" else 0.5 * estimator.alpha


def _network(estimator: Any, scale: float, **own: Any) -> Network:
    """One member's: its own numbers, and the estimator's for gradients that are larger by `scale`."""
    return Network(
        l2=_l2(estimator) / scale,
        b1=estimator.beta_1,
        b2=estimator.beta_2,
        eps=max(estimator.epsilon / scale, SMALLEST_EPSILON),
        weight_decay=estimator.alpha if estimator.solver == "adamw" else 0.0,
        momentum=estimator.momentum,
        dropout=estimator.dropout or 0.0,
        clip_norm=(estimator.clip_norm or 0.0) / scale,
        **own,
    )


def _check_members(estimator: Any, sizes: tuple[int, ...]) -> None:
    """That there is memory for weights and two moments, before hours go by in drawing them."""
    needed = estimator.members * 12 * sum(a * b + b for a, b in pairwise(sizes))
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # no POSIX
        return
    if estimator.members > 1 and needed > there:
        raise InvalidParameterError(
            f"The 'members' parameter of {type(estimator).__name__} must be so small that networks of sizes "
            f"{list(sizes)} fit into {there / 2**30:.0f} GiB. Got {reprlib.repr(estimator.members)} instead."
        )


def _program(estimator: Any, targets: Targets, batch: int, rows: int) -> Program:
    """What decides the compiled program."""
    return Program(
        activation=ALIASES.get(estimator.activation, estimator.activation),
        loss=targets.kind.loss,
        outputs=targets.outputs,
        batch_size=batch if batch < rows else ALL_ROWS,
        shuffle=bool(estimator.shuffle) and batch < rows,
        solver=estimator.solver,
        nesterov=bool(estimator.nesterovs_momentum) and estimator.solver == "sgd",
        bootstrap=bool(estimator.bootstrap),
        dropout=estimator.dropout is not None,
        clip=estimator.clip_norm is not None,
        schedule=estimator.learning_rate_schedule,
        precision=estimator.precision,
        implementation=estimator.implementation,
    )


def _split(
    estimator: Any, targets: Targets, rows: np.ndarray, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to score; two classes keep their shares."""
    stratify = targets.labels[rows].astype(bool)[:, None] if targets.kind.name == "binary" else None
    size = float(estimator.validation_fraction)
    try:
        train, held_out = train_test_split(rows, random_state=rng, test_size=size, stratify=stratify)
    except ValueError as error:
        raise ValueError(f"validation_fraction={size:g} of {len(rows)} rows: {error}") from None
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return train, held_out


def _batch_size(given: Any, rows: int) -> int:
    if isinstance(given, str):
        return min(AUTO_BATCH, rows)
    if given > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5
        )
    return min(int(given), rows)
