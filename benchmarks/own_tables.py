"""Tables of the documentation: training by generated code, users' own losses and models, small programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxbm.benchmarks import analysis
from jaxbm.benchmarks.contest import OURS, Contest
from jaxbm.benchmarks.contests import generated, libraries, own, programs
from jaxbm.benchmarks.record import Records, Result
from jaxbm.benchmarks.text import seconds_text, table


def by_hand(records: Records) -> str:
    """Generated code beside the training kernel: microseconds a step of one member.

    Least times: what else ran on the machine can only have made a round longer.
    """
    rows = []
    for contest in generated.generated():
        found = analysis.timed(records.contest(contest.name))
        if generated.GENERATED in found and OURS in found:
            row = [*_case(contest), f"{contest.case.members:,}"]
            row += _pair(found, OURS, generated.GENERATED)
            rows.append(row + _pair(found, generated.KERNEL_AVX2, generated.GENERATED_AVX2))
    heads = ["network", "batch", "members"]
    for isa in ("widest", "AVX2"):
        heads += [f"by hand, {isa}", f"generated, {isa}", "ratio"]
    return f"{_machine(records)}\n\n{table(heads, rows)}"


def never_seen(records: Records) -> str:
    """A step with a loss, an optimizer and a model that no kernel knows, beside the kernel's of its own menu."""
    rows = []
    for contest in generated.generated():
        found = analysis.timed(records.contest(contest.name))
        if generated.NEVER_SEEN in found and OURS in found:
            kernel, ours = (analysis.median(found[name]) for name in (OURS, generated.NEVER_SEEN))
            times = [f"{seconds * 1e6:.3g} us" for seconds in (ours, kernel)]
            rows.append([*_case(contest), *times, f"{ours / kernel:.2f}x"])
    machine, versions = records.runs[-1].machine, records.runs[-1].versions
    told = f"{machine['cpu']}, kernels {machine['kernels']}, Python {machine['python']}, jax {versions['jax']}."
    heads = ["network", "batch", "own loss, optimizer and model", "kernel, of its menu", "ratio"]
    return f"{told}\n\n{table(heads, rows)}"


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


def of_edges(records: Records) -> str:
    """Programs of which native code gains little, beside the best of JAX and its remedies."""
    rows = []
    for contest in programs.edges():
        if found := _beside(records, contest, programs.BEST):
            rows.append([contest.title, contest.case.unit, *_both(found.ours, min(found.peers.values()))])
    header = ["program", "per", "native", "best of JAX", "ratio"]
    return f"{_machine(records)}\n\n{table(header, rows, left=2)}"


def of_libraries(records: Records) -> str:
    """Other libraries' programs by `jaxbm.accelerate` and by `jit`."""
    rows = []
    for contest in libraries.libraries():
        if found := _beside(records, contest, (libraries.JIT,)):
            rows.append([contest.title, contest.case.unit, *_both(found.ours, found.peers[libraries.JIT])])
    versions = records.runs[-1].versions
    names = ", ".join(f"{name} {versions[name]}" for name in libraries.NAMES if name in versions)
    header = ["program", "per", "native", "`jit`", "ratio"]
    return f"{_machine(records)} {names}.\n\n{table(header, rows, left=2)}"


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


def _case(contest: Contest) -> list[str]:
    return ["-".join(map(str, contest.case.sizes)), str(contest.case.batch_size)]


def _pair(found: Mapping[str, Result], kernel: str, other: str) -> list[str]:
    if kernel not in found or other not in found:
        return ["", "", ""]
    by_hand, ours = (min(found[name].per_unit) for name in (kernel, other))
    return [*(f"{float(f'{seconds * 1e6:.3g}'):,g}" for seconds in (by_hand, ours)), f"{ours / by_hand:.2f}x"]


def _machine(records: Records) -> str:
    """Where the latest of these results come from."""
    run = records.runs[-1]
    versions = ", ".join(f"{name} {run.versions[name]}" for name in ("jax", "optax", "numpy"))
    machine = run.machine
    return (
        f"{machine['cpu']}, {machine['threads']} threads, kernels {machine['kernels']}, "
        f"Python {machine['python']}, {versions}."
    )
