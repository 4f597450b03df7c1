"""`jaxbm bench`: run a selection, write results and a report; `jaxbm bench compare a b`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxbm.benchmarks import compare, limits, record, report
from jaxbm.benchmarks.contest import Contest
from jaxbm.benchmarks.contests import SELECTIONS, contests, select
from jaxbm.benchmarks.run import run_contest

RESULTS = "results.jsonl"
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
        print(compare.text(*(record.load(path) for path in arguments.words[1:])))
        return
    if arguments.list:
        _list()
        return
    if arguments.rounds is not None and arguments.rounds < 2:
        raise ValueError(f"--rounds: expected at least 2, got {arguments.rounds}")
    chosen = select(arguments.only or (["full"] if arguments.full else ["quick"]))
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULTS
    if path.exists() and arguments.resume:
        done = record.load(path).contests()
        chosen = [contest for contest in chosen if contest.name not in done]
    else:
        path.unlink(missing_ok=True)
    failed = _run(chosen, path, arguments.rounds) if chosen else []
    records = record.load(path)
    print(report.claims_table(records, contests()) or "no claims were among these contests")
    print(f"\nreport: {report.write(records, contests(), folder)}\nresults: {path}")
    if failed:
        raise ContestFailed("; ".join(failed))


def _run(chosen: list[Contest], path: Path, rounds: int | None) -> list[str]:
    """Run contests, each result written as soon as it is there; returns what failed."""
    failed = []
    with _progress(len(chosen)) as (say, finished):
        measured = limits.measure()
        run = record.describe_run(measured)
        record.append(path, [run])
        for contest in chosen:
            results = run_contest(contest, run.run, cache=measured["cache"], rounds=rounds, progress=say)
            record.append(path, results)
            failed += [f"{contest.name}, {r.contestant}: {r.reason}" for r in results if r.status == "failed"]
            finished()
    return failed


@contextmanager
def _progress(total: int) -> Iterator[tuple[Say, Callable[[], None]]]:
    """A bar on a terminal, nothing elsewhere: `(say who runs, a contest is finished)`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), refresh_per_second=2) as bar:
        task = bar.add_task("the machine's limits", total=total)

        def say(contest: Contest, name: str) -> None:
            bar.update(task, description=f"{contest.name}: {name}")

        yield say, lambda: bar.advance(task)


def _list() -> None:
    for name, what in SELECTIONS.items():
        members = [contest.name for contest in contests().values() if name in contest.selections]
        print(f"{name} ({what}): {len(members)} contests")
    print()
    for contest in contests().values():
        print(f"{contest.name:24} {contest.title} [{', '.join(contest.selections)}]")
