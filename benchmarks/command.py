"""`jaxbm bench`: run a selection, write results and a report; `jaxbm bench compare a b`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxbm.benchmarks import compare, limits, record, report
from jaxbm.benchmarks.accuracy import command as accuracy
from jaxbm.benchmarks.contest import Contest
from jaxbm.benchmarks.contests import SELECTIONS, contests, select
from jaxbm.benchmarks.run import run_contest

RESULTS, ACCURACY = "results.jsonl", (accuracy.NAME, accuracy.WHAT)
Say = Callable[[Contest, str], None]


class ContestFailed(ValueError):
    """Contestants that broke, compiled while the clock ran, or reached another loss."""


def bench(arguments: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
      ValueError: a name is unknown, or files can't be read.
      ContestFailed: a contestant failed; the report is written all the same.
    """
    if arguments.words:
        if arguments.words[0] != "compare" or len(arguments.words) != 3:
            raise ValueError(f"bench: expected no word, or compare A B, got {' '.join(arguments.words)!r}")
        before, after = (record.load(path) for path in arguments.words[1:])
        print(compare.text(before, after))
        arguments.outcome["changes"] = [
            change._asdict() | {"relative": change.relative} for change in compare.changes(before, after)
        ]
        return
    if arguments.list:
        _list()
        arguments.outcome["selections"] = {**SELECTIONS, **dict([ACCURACY])}
        arguments.outcome["contests"] = {contest.name: contest.title for contest in contests().values()}
        return
    if accuracy.NAME in (arguments.only or ()):
        accuracy.bench(arguments)
        return
    if arguments.rounds is not None and arguments.rounds < 2:
        raise ValueError(f"--rounds: expected at least 2, got {arguments.rounds}")
    chosen = select(arguments.only or (["full"] if arguments.full else ["quick"]))
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULTS
    if path.exists() and arguments.resume:
        record.mend(path)
        missing = _missing(chosen, record.load(path))
    else:
        path.unlink(missing_ok=True)
        missing = chosen
    if missing:
        _run(missing, path, arguments.rounds)
    records = record.load(path)
    print(report.claims_table(records, contests()) or "no claims were among these contests")
    written = report.write(records, contests(), folder)
    print(f"\nreport: {written}\nresults: {path}")
    arguments.outcome |= {"report": str(written), "results": str(path)}
    results = [result for contest in chosen for result in records.contest(contest.name).values()]
    failed = [f"{r.contest}, {r.contestant}: {r.reason}" for r in results if r.status == "failed"]
    if failed:
        raise ContestFailed("; ".join(failed))


def _missing(chosen: list[Contest], records: record.Records) -> list[Contest]:
    """Contests that are not recorded, or not with everybody who competes in them now."""
    return [
        contest
        for contest in chosen
        if not {c.name for c in contest.contestants} <= records.contest(contest.name).keys()
    ]


def _run(chosen: list[Contest], path: Path, rounds: int | None) -> None:
    """Run contests; the results of each are written as soon as it ends."""
    with _progress(len(chosen)) as (say, finished):
        measured = limits.measure()
        run = record.describe_run(measured)
        record.append(path, [run])
        for contest in chosen:
            began = time.monotonic()
            results = run_contest(contest, run.run, cache=measured["cache"], rounds=rounds, progress=say)
            record.append(path, results)
            finished(f"{contest.name}: {time.monotonic() - began:.0f} s")


@contextmanager
def _progress(total: int) -> Iterator[tuple[Say, Callable[[str], None]]]:
    """A bar on a terminal, and a line for each contest that ended: `(say who runs, say who is finished)`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), refresh_per_second=2) as bar:
        task = bar.add_task("the machine's limits", total=total)

        def say(contest: Contest, name: str) -> None:
            bar.update(task, description=f"{contest.name}: {name}")

        def finished(text: str) -> None:
            bar.advance(task)
            console.print(text, highlight=False)

        yield say, finished


def _list() -> None:
    from jaxbm.report.fitting import console, say

    screen = console()
    for name, what in SELECTIONS.items():
        members = [contest.name for contest in contests().values() if name in contest.selections]
        say(screen, f"{name} ({what}): {len(members)} contests")
    say(screen, f"{accuracy.NAME} ({accuracy.WHAT})\n")
    for contest in contests().values():
        told = f"{contest.title} [{', '.join(contest.selections)}]"
        line = f"{contest.name:24} {told}"
        say(screen, line if len(line) <= screen.width else f"{contest.name}\n  {told}")
