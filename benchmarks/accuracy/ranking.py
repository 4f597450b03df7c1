"""Average ranks over tables, with the uncertainty that comes of there being so few tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DRAWS = 2000


@dataclass(frozen=True)
class Standing:
    """How one contestant did over several tables."""

    contestant: str
    rank: float
    """mean over tables; 1 is the best"""
    low: float
    high: float
    """95% bootstrap interval over tables"""
    loss: float
    """geometric mean over tables of its loss over the best one's"""
    score_rank: float
    """mean rank by accuracy or R2"""
    cpu_seconds: float
    """median of learning and predicting"""
    seconds: float
    """the same on the wall's clock"""
    tables: int


def standings(results: Sequence[dict[str, Any]], seen: bool | None = None) -> list[Standing]:
    """Contestants by their average rank, the best first.

    A table's loss is the mean over the splits that everybody who is ranked has there. Who broke, or hasn't been run,
    on a table is not ranked.

    Args:
      results: lines of the contest.
      seen: only tables that the constants were chosen with, or only the others; None for all.

    Example:
      >>> from jaxbm.benchmarks.accuracy.ranking import standings
      >>> line = {"seen": False, "split": 0, "score": 0.5, "cpu_seconds": 1.0, "seconds": 1.0}
      >>> lines = [line | {"contestant": c, "table": t, "loss": v} for t in "ab" for c, v in (("x", 1.0), ("y", 2.0))]
      >>> [(s.contestant, s.rank, s.loss) for s in standings(lines)]
      [('x', 1.0, 1.0), ('y', 2.0, 2.0)]
    """
    kept = [r for r in results if seen is None or r["seen"] == seen]
    tables = list(dict.fromkeys(r["table"] for r in kept))
    whole = {(r["contestant"], r["table"], r["split"]): r for r in kept if "loss" in r}
    everybody = list(dict.fromkeys(r["contestant"] for r in kept))
    ranked = [c for c in everybody if all(any(key[:2] == (c, t) for key in whole) for t in tables)]
    if not ranked:
        return []
    splits = {
        t: [s for s in sorted({k[2] for k in whole}) if all((c, t, s) in whole for c in ranked)] for t in tables
    }
    tables = [t for t in tables if splits[t]]
    if not tables:
        return []

    def mean(name: str) -> np.ndarray:
        return np.asarray([[np.mean([whole[c, t, s][name] for s in splits[t]]) for t in tables] for c in ranked])

    losses, cpu, wall = mean("loss"), mean("cpu_seconds"), mean("seconds")
    ranks, score_ranks = _ranks(losses), _ranks(-mean("score"))
    draws = np.random.default_rng(0).integers(0, len(tables), (DRAWS, len(tables)))
    low, high = np.quantile(ranks[:, draws].mean(axis=-1), [0.025, 0.975], axis=1)
    relative = np.exp(np.log(losses / losses.min(axis=0)).mean(axis=1))
    found = [
        Standing(c, float(ranks[i].mean()), float(low[i]), float(high[i]), float(relative[i]),
                 float(score_ranks[i].mean()), float(np.median(cpu[i])), float(np.median(wall[i])), len(tables))
        for i, c in enumerate(ranked)
    ]  # fmt: skip
    return sorted(found, key=lambda s: s.rank)


def by_splits(results: Sequence[dict[str, Any]]) -> list[tuple[list[int], list[dict[str, Any]]]]:
    """Splits and the results of those who were measured on all of them; then, where others were measured on fewer,
    the splits that everybody has, and their results.

    Example:
      >>> from jaxbm.benchmarks.accuracy.ranking import by_splits
      >>> who = [("x", 0), ("x", 1), ("y", 0)]
      >>> lines = [{"contestant": c, "table": "t", "split": s, "loss": 1.0} for c, s in who]
      >>> [(splits, [r["contestant"] for r in found]) for splits, found in by_splits(lines)]
      [([0, 1], ['x', 'x']), ([0], ['x', 'y'])]
    """
    places = {(r["table"], r["split"]) for r in results}
    tables, splits = {table for table, _ in places}, sorted({split for _, split in places})
    measured = {(r["contestant"], r["table"], r["split"]) for r in results if "loss" in r}
    whole = {
        c: {s for s in splits if all((c, t, s) in measured or (t, s) not in places for t in tables)}
        for c in dict.fromkeys(r["contestant"] for r in results)
    }
    several = [c for c in whole if whole[c] >= set(splits)]
    found = [(splits, [r for r in results if r["contestant"] in several])] if several else []
    everybody = [c for c in whole if whole[c]]
    common = sorted(set(splits).intersection(*(whole[c] for c in everybody)))
    if len(everybody) > len(several) and common:
        found.append((common, [r for r in results if r["contestant"] in everybody and r["split"] in common]))
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """Of each column, from 1 for the least; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return rankdata(values, axis=0)
