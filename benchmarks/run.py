"""Runs contests and turns them into results."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import jax
import numpy as np

from jaxbm.benchmarks.contest import Contest, Contestant
from jaxbm.benchmarks.method import RecompilationError, Round, Times, interleave, timed
from jaxbm.benchmarks.record import Result
from jaxbm.benchmarks.worker import Worker

Progress = Callable[[Contest, str], None]
Call = Callable[[int], Round]
Say = Callable[[str], None]


def run_contest(
    contest: Contest,
    run: str,
    *,
    cache: float = 0.0,
    rounds: int | None = None,
    progress: Progress = lambda contest, name: None,
) -> list[Result]:
    """Time a contest's contestants in turns.

    Args:
      contest: what to run.
      run: name of the run, for the record.
      cache: bytes of the last cache level, for the compulsory traffic.
      rounds: instead of the contest's own.
      progress: called with the contest and a contestant's name before each call.

    Returns:
      One result for each contestant. Who is not installed is "absent"; who raised an error, compiled
      something while the clock ran, or whose losses differ from ours by more than the contest allows, is "failed".
    """
    # What an earlier contest compiled would make a first call look cheap.
    jax.clear_caches()
    results: dict[str, Result] = {}
    calls: dict[str, Call] = {}
    by_name = {contestant.name: contestant for contestant in contest.contestants}

    def failed(name: str, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
        results[name] = _result(contest, by_name[name], run, cache, "failed", text)

    with ExitStack() as stack:
        for name, contestant in by_name.items():
            reason = contest.absence() or contestant.absence()
            if reason is not None:
                results[name] = _result(contest, contestant, run, cache, "absent", reason)
                continue
            progress(contest, name)
            try:
                calls[name] = _enter(stack, contest, contestant)
            except (Exception, SystemExit) as error:
                failed(name, error)
        times = _timed_together(contest, rounds, calls, failed, partial(progress, contest))
    gc.collect()
    ours = times.get(contest.contestants[0].name)
    for contestant in contest.contestants:
        if contestant.name in times:
            t = times[contestant.name]
            reason = None if ours is None else unequal(contest, ours, t)
            status = "ok" if reason is None else "failed"
            results[contestant.name] = _result(contest, contestant, run, cache, status, reason, t)
    return [results[contestant.name] for contestant in contest.contestants]


def _enter(stack: ExitStack, contest: Contest, contestant: Contestant) -> Call:
    """A function of a seed; its first call is made here, so that who can't run is known before the rounds."""
    if contestant.separate or contestant.env:
        call: Call = stack.enter_context(Worker(contest, contestant))
    else:
        call = partial(timed, contestant.job(contest.case), clock=contest.clock)
    first = call(0)
    seen = iter([first])
    return lambda seed: next(seen, None) or call(seed)


def _timed_together(
    contest: Contest, rounds: int | None, calls: dict[str, Call], failed: Callable[[str, Exception], None], say: Say
) -> dict[str, Times]:
    """Interleave; a contestant that breaks on the way is taken out, told to `failed`, and the others start again."""
    while calls:
        broken: list[str] = []
        try:
            return interleave(
                {name: partial(_noted, name, call, broken) for name, call in calls.items()},
                rounds=rounds or contest.rounds,
                budget=contest.budget,
                warm_up=contest.warm_up,
                least=min(contest.least, rounds or contest.least),
                progress=say,
            )
        except RecompilationError as error:
            failed(error.name, error)
            del calls[error.name]
        except Exception as error:
            if not broken:
                raise
            failed(broken[0], error)
            del calls[broken[0]]
    return {}


def _noted(name: str, call: Call, broken: list[str], seed: int) -> Round:
    try:
        return call(seed)
    except Exception:
        broken.append(name)
        raise


def unequal(contest: Contest, ours: Times, theirs: Times) -> str | None:
    """Why a contestant's work was not equal to ours: its losses are others. None where it was."""
    if contest.curve_tolerance is None or not ours.curves:
        return None
    for name, curve in ours.curves.items():
        if name not in theirs.curves:
            return f"it has no {name}"
        a, b = np.asarray(curve), np.asarray(theirs.curves[name])
        if a.shape != b.shape:
            return f"{name}: expected {a.size} epochs, got {b.size}"
        if not np.isfinite(b).all() or np.abs(b - a).max() > contest.curve_tolerance * np.abs(a).max():
            within = f"within {contest.curve_tolerance:.0%}"
            return f"{name}: expected {a[-1]:.4f} after the last epoch, {within}, got {b[-1]:.4f}"
    return None


def _result(
    contest: Contest,
    contestant: Contestant,
    run: str,
    cache: float,
    status: str,
    reason: str | None = None,
    times: Times | None = None,
) -> Result:
    case = contestant.case(contest.case)
    described = contest.case.describe()
    if times is None:
        return Result(run, contest.name, contestant.name, status, reason, described, case.unit, case.units)
    work = case.work(cache)
    return Result(
        run=run,
        contest=contest.name,
        contestant=contestant.name,
        status=status,
        reason=reason,
        case=described,
        unit=contest.case.unit,
        units=case.units,
        members_timed=contestant.members,
        first=times.first,
        compiling=times.compiling,
        samples=times.samples,
        curves=times.curves,
        flops=None if work is None else float(work.flops),
        bytes=None if work is None else float(work.bytes),
        peak_bytes=times.peak,
    )
