"""`jaxbm bench --only accuracy`."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxbm.benchmarks.accuracy import contest, report

NAME = "accuracy"
RESULTS = "accuracy.jsonl"
WHAT = "real tables, presets and peers: losses, ranks, CPU seconds; by itself, some hours on one core"


def bench(arguments: argparse.Namespace) -> None:
    """Run the contest, or with --resume what a folder's results lack, and write its report.

    Raises:
      ValueError: other contests are asked for beside it, or a file can't be read.
    """
    if arguments.only != [NAME] or arguments.full or arguments.rounds is not None:
        raise ValueError(f"--only {NAME}: expected it by itself, without other contests, --full or --rounds")
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULTS
    if not arguments.resume:
        path.unlink(missing_ok=True)
    contest.run(path)
    written = report.write(path, folder)
    print(f"\nreport: {written}\nresults: {path}")
    arguments.outcome |= {"report": str(written), "results": str(path)}
