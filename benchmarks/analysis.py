"""What results mean: ratios to ours, noise, fractions of the machine's limits, claims met or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxbm.benchmarks import method
from jaxbm.benchmarks.contest import AGAIN, Contest, Target
from jaxbm.benchmarks.record import Records, Result, Run


class Share(NamedTuple):
    """How near a result is to the limit that binds it."""

    binding: str
    """"arithmetic", "bandwidth" or "call" """
    fraction: float
    """1 is the limit"""


class Outcome(NamedTuple):
    """A claim and what was measured; `measured` is None where somebody was absent."""

    target: Target
    measured: float | None
    met: bool | None
    note: str


def median(result: Result) -> float:
    """Seconds per unit."""
    return method.quantiles(result.per_unit)[1]


def timed(results: Mapping[str, Result]) -> dict[str, Result]:
    """Those that were timed, the A/A repetition left out."""
    return {name: r for name, r in results.items() if r.status == "ok" and r.samples and name != AGAIN}


def noise(results: Mapping[str, Result]) -> float:
    """The contest's noise as a log ratio: its first contestant against itself; 0 where it was not timed twice.

    Example:
      >>> one = Result("r", "c", "jaxbm", "ok", samples=[1.0, 1.0, 1.0])
      >>> two = Result("r", "c", "jaxbm again", "ok", samples=[1.1, 1.1, 1.1])
      >>> round(noise({"jaxbm": one, "jaxbm again": two}), 3)
      0.095
    """
    again, first = results.get(AGAIN), next(iter(results.values()), None)
    if first is None or again is None or not first.samples or not again.samples:
        return 0.0
    return method.noise(first.per_unit, again.per_unit)


def against(results: Mapping[str, Result], ours: str, other: str) -> method.Verdict | None:
    """How `ours` compares with `other`; None where either has no times."""
    pair = [results.get(name) for name in (ours, other)]
    if any(r is None or r.status != "ok" or not r.samples for r in pair):
        return None
    a, b = (r.per_unit for r in pair if r is not None)
    return method.verdict(a, b, noise(results))


def share(result: Result, run: Run) -> Share | None:
    """The fraction of the limit that binds: the rate of multiply-adds of all cores, memory bandwidth, or one call.

    A compiled call with nothing to do takes a while too, which is what small operations run into.

    Source: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
    architectures", Communications of the ACM 52(4), 2009.
    """
    if result.flops is None or result.bytes is None or not result.samples or "peak" not in run.limits:
        return None
    least = {
        "arithmetic": result.flops / run.limits["peak"],
        "bandwidth": result.bytes / max(run.limits["triad"], run.limits["seven_streams"]),
        "call": run.limits["call"],
    }
    binding = max(least, key=lambda name: least[name])
    return Share(binding, least[binding] / method.quantiles(result.samples)[1])


def epochs_to(result: Result, loss: float, curve: str = "val_loss") -> int | None:
    """Epochs until the curve is at or below `loss`; None where it never is."""
    below = np.flatnonzero(np.asarray(result.curves.get(curve, [])) <= loss)
    return int(below[0]) + 1 if below.size else None


def seconds_to(result: Result, loss: float) -> float | None:
    """Seconds of training until the validation loss is at or below `loss`, compilation not counted."""
    epochs = epochs_to(result, loss)
    total = len(result.curves.get("val_loss", []))
    return None if epochs is None else method.quantiles(result.samples)[1] * epochs / total


def outcome(target: Target, results: Mapping[str, Result], run: Run) -> Outcome:
    """A claim held against what was measured."""
    ours, other = results.get(target.of), results.get(target.against)
    for name, r in ((target.of, ours), (target.against, other)):
        if name and (r is None or r.status != "ok"):
            return Outcome(target, None, None, f"{name}: {r.reason if r is not None else 'not run'}")
    assert ours is not None
    if target.measure == "compile":
        measured = ours.compiling or 0.0
        return Outcome(target, measured, measured <= target.at_least, "")
    if target.measure == "core peak":
        assert ours.flops is not None
        measured = ours.flops / method.quantiles(ours.samples)[1] / run.limits["peak_core"]
        return Outcome(target, measured, measured >= target.at_least, "")
    assert other is not None
    if target.measure == "more memory":
        measured = ((ours.peak_bytes or 0.0) - (other.peak_bytes or 0.0)) / 2**30
        return Outcome(target, measured, measured <= target.at_least, "")
    if target.measure == "memory":
        measured = (other.peak_bytes or 0.0) / (ours.peak_bytes or 1.0)
        return Outcome(target, measured, measured >= target.at_least, "")
    found = method.verdict(ours.per_unit, other.per_unit, noise(results))
    scaled = [r.contestant for r in (ours, other) if r.members_timed is not None]
    note = f"{scaled[0]} timed on fewer members, time per {ours.unit} compared" if scaled else ""
    return Outcome(target, found.ratio, found.ratio >= target.at_least, note)


def outcomes(records: Records, contests: Mapping[str, Contest]) -> list[tuple[str, Outcome]]:
    """Every claim of the contests that were run, with the contest's name."""
    found = []
    for name in records.contests(list(contests)):
        results = records.contest(name)
        run = records.run_of(next(iter(results.values())))
        found += [
            (name, outcome(target, results, run)) for target in (contests[name].targets if name in contests else ())
        ]
    return found
