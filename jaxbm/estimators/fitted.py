"""Fitted attributes: what training leaves in an estimator, and what a later call goes on from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from jaxbm.core.device import taken
from jaxbm.core.words import counted
from jaxbm.estimators.fitting import Trained
from jaxbm.estimators.jobs import Job, State
from jaxbm.estimators.networks import Weights
from jaxbm.estimators.rows import NON_FINITE

HINT = "A smaller learning_rate_init, clip_norm=1.0 or standardised features usually help."
OF_EPOCHS = ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_")
"""Attributes that only solvers with epochs leave."""


class SolverState:
    """What `partial_fit` goes on from: each member's learning rate, and their optimizer states, stacked."""

    def __init__(self, solver: str, rates: list[float], states: Any):
        self.solver, self.rates, self.states = solver, rates, states

    @property
    def learning_rate(self) -> float:
        """The first member's, now."""
        return self.rates[0]


def member_weights(estimator: Any, dtype: Any = None) -> list[Weights]:
    """Each member's weights, from `coefs_` and `intercepts_`, which are what counts."""
    pairs = [
        (np.asarray(w, dtype), np.asarray(b, dtype))
        for w, b in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    if pairs[0][0].ndim == 2:
        return [pairs]
    return [[(w[k], b[k]) for w, b in pairs] for k in range(len(pairs[0][0]))]


def state_of(estimator: Any, sizes: tuple[int, ...], incremental: bool) -> State:
    """Where the last call left the estimator.

    Raises:
      ValueError: it has another architecture or number of members by now.
    """
    weights = member_weights(estimator)
    found = (weights[0][0][0].shape[0], *(b.shape[0] for _, b in weights[0]))
    if found != sizes:
        raise ValueError(
            f"hidden_layer_sizes: going on from an earlier fit needs its layers {found}, got {sizes}; "
            "fit anew with warm_start=False"
        )
    if len(weights) != estimator.members:
        raise ValueError(
            f"members: an earlier fit left {len(weights)} to go on from, got members={estimator.members}"
        )
    solver: SolverState | None = getattr(estimator, "_optimizer", None) if incremental else None
    if solver is not None and solver.solver != estimator.solver:
        solver = None
    return State(
        weights=weights,
        opt_state=None if solver is None else solver.states,
        rates=None if solver is None else solver.rates,
        best=_best(estimator, len(weights)),
        counts=getattr(estimator, "_no_improvement_counts", [getattr(estimator, "_no_improvement_count", 0)]),
        seen=int(getattr(estimator, "t_", 0)),
    )


def _best(estimator: Any, members: int) -> list[float] | None:
    by_score = estimator.early_stopping
    value = getattr(estimator, "best_validation_score_" if by_score else "best_loss_", None)
    if value is None:
        return None
    return [float(value)] if members == 1 else estimator._best_values


def begin(estimator: Any, job: Job, out_activation: str) -> None:
    """Attributes before the first epoch of a first fit."""
    weights = job.networks[0].weights
    estimator.n_iter_, estimator.t_ = 0, 0
    estimator.n_layers_, estimator.n_outputs_ = len(weights) + 1, job.program.outputs
    estimator.out_activation_ = out_activation
    for name in OF_EPOCHS:
        estimator.__dict__.pop(name, None)
    if estimator.solver != "lbfgs":
        estimator.loss_curve_ = []
        estimator.validation_scores_ = [] if estimator.early_stopping else None


def adopt(
    estimator: Any, job: Job, trained: Sequence[Trained], opt_state: Any, incremental: bool, dtype: Any
) -> None:
    """Take what training left.

    Raises:
      ValueError: every member diverged.

    Warns:
      ConvergenceWarning: members diverged, or `max_iter` ended training.
    """
    kept = _finite(estimator, trained)
    stack(estimator, [member.weights for member in kept], dtype)
    estimator.n_iter_ = max(len(member.losses) for member in kept)
    estimator.t_ += job.limits[0].rows * estimator.n_iter_
    estimator.loss_curve_ = [*getattr(estimator, "loss_curve_", []), *_mean([member.losses for member in kept])]
    estimator.loss_ = estimator.loss_curve_[-1]
    estimator._best_values = [member.best for member in kept]
    estimator._no_improvement_counts = [member.count for member in kept]
    estimator._no_improvement_count = kept[0].count
    best = float(np.mean(estimator._best_values))
    if estimator.early_stopping:
        scores = _mean([member.scores or [] for member in kept])
        estimator.validation_scores_ = [*(getattr(estimator, "validation_scores_", None) or []), *scores]
        estimator.best_validation_score_, estimator.best_loss_ = best, None
    else:
        estimator.validation_scores_ = estimator.best_validation_score_ = None
        estimator.best_loss_ = best
    if len(kept) < len(trained):
        places = np.flatnonzero([any(member is one for one in kept) for member in trained])
        opt_state = taken(opt_state, places)
    estimator._optimizer = SolverState(estimator.solver, [member.learning_rate for member in kept], opt_state)
    if not incremental:
        _warn(estimator, kept)


def stack(estimator: Any, members: Sequence[Weights], dtype: Any) -> None:
    """Set `coefs_` and `intercepts_`; with a leading axis of members where there are several."""
    one = len(members) == 1
    layers = range(len(members[0]))

    def joined(i: int, part: int) -> np.ndarray:
        if one:
            return np.array(members[0][i][part], dtype)
        return np.stack([weights[i][part] for weights in members]).astype(dtype, copy=False)

    estimator.coefs_ = [joined(i, 0) for i in layers]
    estimator.intercepts_ = [joined(i, 1) for i in layers]


def _finite(estimator: Any, trained: Sequence[Trained]) -> list[Trained]:
    """Members to keep: those that stayed finite, or whose best epoch did."""
    by_score = estimator.early_stopping
    diverged = [k for k, one in enumerate(trained) if not one.finite or (by_score and not np.isfinite(one.best))]
    if not diverged:
        return list(trained)
    epoch = len(trained[diverged[0]].losses)
    kept = [one for one in trained if (np.isfinite(one.best) if by_score else one.finite)]
    if not kept:
        raise ValueError(f"{NON_FINITE} Training diverged in epoch {epoch}. {HINT}")
    told = f"training diverged in epoch {epoch}"
    if len(trained) > 1:
        told = f"{len(diverged)} of {len(trained)} members diverged, the first in epoch {epoch}"
    what = "the weights of the best epoch before are kept" if by_score else "they are left out"
    warnings.warn(f"{told}; {what}. {HINT}", ConvergenceWarning, stacklevel=5)
    return kept


def _warn(estimator: Any, kept: Sequence[Trained]) -> None:
    if any(member.interrupted for member in kept):
        warnings.warn(
            f"training was interrupted: the weights are those after epoch {estimator.n_iter_}", stacklevel=5
        )
        return
    open_ended = sum(member.finite and not member.settled for member in kept)
    if open_ended:
        what = "validation score" if estimator.early_stopping else "training loss"
        whose = "" if len(kept) == 1 else f" of {open_ended} of {len(kept)} members"
        warnings.warn(
            f"max_iter: training ended after {counted(estimator.max_iter, 'epoch')}, while the {what}{whose} had not "
            f"settled yet (n_iter_no_change={estimator.n_iter_no_change}, tol={estimator.tol})",
            ConvergenceWarning,
            stacklevel=5,
        )


def _mean(curves: Sequence[list[float]]) -> list[float]:
    """Mean over those members that trained so long, epoch by epoch."""
    if len(curves) == 1:
        return curves[0]
    longest = max(len(curve) for curve in curves)
    padded = np.asarray([curve + [np.nan] * (longest - len(curve)) for curve in curves])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an epoch in which every member diverged has no mean
        return np.nanmean(padded, axis=0).tolist()
