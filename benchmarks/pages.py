"""The guides' tables of training and of native functions, written from committed results, never by hand.

python -m jaxbm.benchmarks.pages docs benchmarks/results
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxbm.benchmarks import analysis, record
from jaxbm.benchmarks.contest import OURS, Contest
from jaxbm.benchmarks.contests import generated, own, programs
from jaxbm.benchmarks.record import Records, Result
from jaxbm.benchmarks.text import put_between, seconds_text, table


class Block(NamedTuple):
    """A part of a page that results say."""

    page: str
    """its path in the documentation"""
    name: str
    """of its two markers"""
    results: str
    """their path among the results"""
    told: Callable[[Records], str]


def by_hand(records: Records) -> str:
    """Generated code beside the training kernel."""
    return f"{_machine(records)}\n\n{generated.table(records)}"


def of_ones_own(records: Records) -> str:
    """What users write themselves, beside the better of two scans, and what was aimed at."""
    rows = []
    for contest in own.own():
        if found := _beside(records, contest, (own.SCAN, own.UNROLLED)):
            scan = min(found.peers.values())
            aim = f"{contest.targets[0].at_least:g}x"
            rows.append([contest.title, contest.case.unit, *_both(found.ours, scan), aim])
    header = ["what", "per", "`fit`", "better scan", "ratio", "aimed at"]
    return f"{_machine(records)}\n\n{table(header, rows, left=2)}"


def small_programs(records: Records) -> str:
    """Programs by `jaxbm.accelerate`, beside JAX with and without its remedies, and the mean of the ratios."""
    rows, ratios = [], []
    for contest in programs.programs():
        if found := _beside(records, contest, programs.BEST):
            times = [seconds_text(found.peers[name]) if name in found.peers else "" for name in programs.BEST]
            ours, _, ratio = _both(found.ours, min(found.peers.values()))
            aim = f"{contest.targets[0].at_least:g}x" if contest.targets else ""
            rows.append([contest.title, contest.case.unit, ours, *times, ratio, aim])
            if contest.targets:
                ratios.append(min(found.peers.values()) / found.ours)
    header = ["program", "per", "native", "`jit`", "with XLA's option for small loops", "`unroll=4`"]
    header += ["over the best of them", "aimed at"]
    mean = np.exp(np.mean(np.log(ratios)))
    return f"{_machine(records)}\n\n{table(header, rows, left=2)}\n\nThe ratios' geometric mean is {mean:.2f}x."


BLOCKS = (
    Block("guides/performance.md", "by hand", "generated/by-hand.jsonl", by_hand),
    Block("guides/performance.md", "own", "generated/own.jsonl", of_ones_own),
    Block("native.md", "programs", "programs/two-cores.jsonl", small_programs),
)


class _Beside(NamedTuple):
    """Seconds per unit, medians."""

    ours: float
    peers: dict[str, float]


def _beside(records: Records, contest: Contest, peers: tuple[str, ...]) -> _Beside | None:
    """Our time and those of the peers that were timed; None where there is nothing to compare."""
    found: Mapping[str, Result] = analysis.timed(records.contest(contest.name))
    times = {name: analysis.median(found[name]) for name in peers if name in found}
    return _Beside(analysis.median(found[OURS]), times) if OURS in found and times else None


def _both(ours: float, other: float) -> list[str]:
    return [seconds_text(ours), seconds_text(other), f"{other / ours:.3g}x"]


def _machine(records: Records) -> str:
    """Where the latest of these results come from."""
    run = records.runs[-1]
    versions = ", ".join(f"{name} {run.versions[name]}" for name in ("jax", "optax", "numpy"))
    machine = run.machine
    return (
        f"{machine['cpu']}, {machine['threads']} threads, kernels {machine['kernels']}, "
        f"Python {machine['python']}, {versions}."
    )


def rewritten(text: str, page: str, results: Path) -> str:
    """The text of a page with the tables that come from the folder of results replaced.

    Raises:
      ValueError: a marker is missing.
    """
    for block in BLOCKS:
        if block.page == page:
            begin, end = (f"<!-- {block.name}: {word} -->" for word in ("begin", "end"))
            text = put_between(text, begin, end, block.told(record.load(results / block.results)))
    return text


def main(argv: list[str]) -> None:
    """Rewrite the pages of the folder given first from the results given second."""
    for page in dict.fromkeys(block.page for block in BLOCKS):
        path = Path(argv[0]) / page
        path.write_text(rewritten(path.read_text(encoding="utf-8"), page, Path(argv[1])), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
