"""The preset "best": rounds of candidates within a time, and the ensemble of those that predict best together."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxbm import losses
from jaxbm.members.ensemble import Ensemble
from jaxbm.members.result import MembersResult
from jaxbm.members.selection import SCORES, greedy_selection
from jaxbm.tabular import candidates
from jaxbm.tabular.candidates import DEPTHS, WIDTHS, Candidate, drawn
from jaxbm.tabular.rounds import Round, Store, model_of, train_first, train_round
from jaxbm.training.whole_run import FitResult

if TYPE_CHECKING:
    from jaxbm.models.protocol import Model
    from jaxbm.tabular.plan import Plan

PER_ROUND = 8
KEPT = 48
"""Candidates of a depth whose members are held: the best by themselves."""
SIZE = 40
"""Rounds of greedy selection."""
MOST_ROWS = 50_000
"""Rows that selection looks at: of a longer table, so many at random."""
_SAFE = 0.8
"""Share of the time left that a round may be expected to take."""
NEAR = 5
"""How many of the best are varied."""


class SearchProgress(NamedTuple):
    """What a progress function is called with after each round."""

    rounds: int
    candidates: int
    loss: float
    """of the ensemble so far, out of fold"""
    seconds: float
    seconds_left: float

    def __str__(self) -> str:
        return (
            f"round {self.rounds}  {self.candidates} candidates tried  ensemble's loss {self.loss:.4g}  "
            f"{max(self.seconds_left, 0.0):.0f} s left"
        )


class Entry(NamedTuple):
    """A candidate that was trained."""

    candidate: Candidate
    members: FitResult
    """`[folds, ...]`, padded to the widest layers"""
    unseen: np.ndarray
    """`[n, k]`: probabilities or outputs out of fold"""
    loss: float


class Found(NamedTuple):
    """What a search found."""

    plan: Plan
    """with the folds of every chosen member"""
    result: MembersResult
    ensemble: Ensemble
    unseen: np.ndarray
    """float64 `[n, k]`: probabilities or outputs of the ensemble out of fold"""
    chosen: list[dict[str, Any]]
    """candidates with their weights and losses"""


def search(
    plan: Plan, *, folder: str | os.PathLike[str] | None = None, progress: bool | Callable[[Any], None] = False
) -> Found:
    """Try candidates until the time is over, and choose by out-of-fold predictions.

    The first round is the accurate preset's own ensemble, two networks a fold, so that no result is worse than it out
    of fold. The next ones try one to three hidden layers; from then on the depth that does best goes on. An ensemble
    is of one depth.

    Args:
      plan: with folds, and a recipe that has a time.
      folder: where finished rounds are kept; the same search goes on from there, and the time counts on.
      progress: True for a line on standard error after each round, or a function of a `SearchProgress`.

    Warns:
      UserWarning: the time was over with the first round.

    Source: Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models" (2004).
    """
    hidden = plan.recipe.hidden
    if len(hidden) != DEPTHS[0] or max(hidden) > max(WIDTHS):
        raise ValueError(
            f"hidden: expected {DEPTHS[0]} widths of at most {max(WIDTHS)} to begin a search with, got {hidden}"
        )
    store, budget = Store(folder, plan), float(plan.recipe.time or 0.0)
    pools, losses, pace = dict[int, list[Entry]](), dict[int, float](), dict[int, float]()
    spent, number, tried = 0.0, 0, 0
    say = progress if callable(progress) else _print if progress else None
    while True:
        depth = DEPTHS[max(number - 1, 0)] if number <= len(DEPTHS) else min(losses, key=losses.__getitem__)
        count = store.count(number) or (_fitting(plan, depth, pace, budget - spent) if number else 1)
        if not count:
            break
        began = time.perf_counter()
        done, is_new = _round(plan, store, number, depth, count, pools.get(depth, []))
        pools[depth] = _kept(pools.get(depth, []) + _entries(plan, done))
        losses[depth] = _greedy(plan, pools[depth])[1]
        seconds = time.perf_counter() - began if is_new else done.seconds
        pace[depth] = seconds / _work(done.model, len(done.trained.finite))
        spent, number, tried = spent + seconds, number + 1, tried + len(done.candidates)
        if say is not None:
            say(SearchProgress(number, tried, min(losses.values()), spent, budget - spent))
    if number == 1:
        warnings.warn(
            f"time: {budget:g} s were over with the first round, which took {spent:.1f} s: the smallest ensemble",
            stacklevel=3,
        )
    return _found(plan, pools[min(losses, key=losses.__getitem__)])


def _work(model: Any, members: int) -> float:
    """What a round's seconds are expected to grow with: the numbers of all members."""
    return float(members * model.n_params)


def _fitting(plan: Plan, depth: int, pace: dict[int, float], left: float) -> int:
    """How many candidates are expected to end in the time left; before there were any of a depth, by the slowest."""
    one = _work(model_of(plan, (max(candidates.WIDTHS),) * depth), plan.once)
    return int(np.clip(_SAFE * left / (one * pace.get(depth, max(pace.values()))), 0, PER_ROUND))


def _print(now: SearchProgress) -> None:
    print(now, file=sys.stderr, flush=True)


def _round(plan: Plan, store: Store, number: int, depth: int, count: int, pool: list[Entry]) -> tuple[Round, bool]:
    """A round, and whether it was trained now and not read from the folder."""
    if number == 0:
        recipe = plan.recipe
        first = Candidate(recipe.hidden, recipe.learning_rate, float(recipe.training.get("dropout") or 0.0), 0.0)
        tried = [first]
    else:
        rng = np.random.default_rng([plan.seed, number])
        near = [entry.candidate for entry in pool[:NEAR]] if number > len(DEPTHS) else []
        tried = drawn(rng, depth, count, near)
    model = model_of(plan, tried[0].hidden).padded([model_of(plan, one.hidden) for one in tried])
    kept = store.load(number, tried)
    if kept is not None:
        return Round(tried, model, *kept), False
    began = time.perf_counter()
    trained = train_round(plan, number, tried) if number else train_first(plan)
    seconds = time.perf_counter() - began
    store.save(number, trained, seconds)
    return Round(tried, model, trained, seconds), True


def _entries(plan: Plan, done: Round) -> list[Entry]:
    """The candidates of which every member stayed finite."""
    folds, found = len(done.trained.finite) // len(done.candidates), []
    wide = model_of(plan, (max(WIDTHS),) * done.depth)
    for k, candidate in enumerate(done.candidates):
        rows = slice(k * folds, (k + 1) * folds)
        one = jax.tree.map(lambda leaf, rows=rows: leaf[rows], done.trained._replace(unseen=None))
        if not one.finite.all():
            continue
        params = wide.pad(one.params)
        history = {"loss": one.loss, "val_loss": one.val_loss}
        members = FitResult(params, None, history, one.best_epoch, one.epochs_run, one.finite)
        unseen = done.trained.unseen[k]
        found.append(Entry(candidate, members, unseen, float(_judge(plan)(unseen[None], plan.training[1])[0])))
    return found


def _kept(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.loss)[:KEPT]


def _judge(plan: Plan, rows: Any = slice(None)) -> Any:
    """The score of predictions `[M, n, k]` of some rows: for a quantity, the mean of the loss that is trained."""
    weight = None if plan.weights[0] is None else plan.weights[0][rows]
    if plan.task != "regression":
        return SCORES["log_loss"] if weight is None else partial(_weighted_log_loss, weight)
    if plan.loss == "squared_error" and weight is None:
        return SCORES[plan.loss]
    value = losses.loss(plan.loss)

    def mean_loss(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
        outputs = plan.preparation.outputs_of(predictions).astype(np.float32)
        outputs = outputs[..., 0] if outputs.shape[-1] == 1 else outputs
        found = np.asarray(value(outputs, np.broadcast_to(labels, predictions.shape[:-1])), np.float64)
        found = found.mean(axis=-1) if found.ndim == predictions.ndim else found  # of several quantiles
        return np.average(found, axis=1, weights=weight)

    return mean_loss


def _weighted_log_loss(weight: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    picked = probabilities[:, np.arange(len(labels)), labels.astype(int)]
    return np.average(-np.log(np.maximum(picked, np.finfo(np.float32).tiny)), axis=1, weights=weight)


def _greedy(plan: Plan, pool: list[Entry]) -> tuple[np.ndarray, float]:
    """How often each is taken, and the loss of them together; infinite where none is left."""
    if not pool:
        return np.zeros(0, np.int64), float("inf")
    y = plan.training[1]
    rows = np.arange(len(y))
    if len(y) > MOST_ROWS:
        rows = np.random.default_rng(plan.seed).choice(len(y), MOST_ROWS, replace=False)
    predictions = np.stack([entry.unseen[rows] for entry in pool]).astype(np.float64)
    counts = greedy_selection(predictions, y[rows], score=_judge(plan, rows), size=SIZE)
    mean = np.tensordot(counts / counts.sum(), predictions, axes=1)
    return counts, float(_judge(plan, rows)(mean[None], y[rows])[0])


def _found(plan: Plan, pool: list[Entry]) -> Found:
    if not pool:
        raise FloatingPointError("tabular.fit: every candidate became NaN or infinite; is a column far too large?")
    counts, _ = _greedy(plan, pool)
    taken = [int(k) for k in np.flatnonzero(counts)]
    shares = counts[taken] / counts.sum()
    folds = plan.folds or []
    model: Model = model_of(plan, (max(WIDTHS),) * len(pool[0].candidate.hidden))
    merged = jax.tree.map(lambda *leaves: np.concatenate(leaves), *[pool[k].members for k in taken])
    result = MembersResult(*merged, models=(model,))
    sizes = [len(pool[k].members.finite) for k in taken]
    weights = np.repeat(shares / np.asarray(sizes), sizes)
    ensemble = Ensemble(model, result.params, weights, bounds=plan.bounds, meaning=plan.preparation.meaning)
    unseen = np.tensordot(shares, np.stack([pool[k].unseen for k in taken]).astype(np.float64), axes=1)
    chosen = [
        pool[k].candidate.to_dict() | {"weight": float(share), "loss": pool[k].loss, "members": size}
        for k, share, size in zip(taken, shares, sizes, strict=True)
    ]
    chosen.sort(key=lambda one: -one["weight"])
    own = [fold for size in sizes for fold in folds[:size]]
    return Found(replace(plan, folds=own, own=None), result, ensemble, unseen, chosen)
