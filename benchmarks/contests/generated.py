"""The hand-written training kernel against generated code: the same `fit`, by either, on either instruction set.

Generated code would be the better default wherever it is as fast, since it knows every loss, optimizer and model. One
contest for each class of shapes says where that is so, and `table` puts their results side by side.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from jaxbm.benchmarks import analysis
from jaxbm.benchmarks.contest import AGAIN, OURS, Contest, Contestant, Target
from jaxbm.benchmarks.record import Records, Result
from jaxbm.benchmarks.text import table as drawn
from jaxbm.benchmarks.workloads import Workload

GENERATED, KERNEL_AVX2, GENERATED_AVX2 = "jaxbm generated", "jaxbm (AVX2)", "jaxbm generated (AVX2)"
NEVER_SEEN = "jaxbm, never seen"
SHAPES = ((8, 16, 1), (20, 64, 32, 1), (30, 256, 256, 2), (784, 128, 10), (784, 512, 512, 10))
BATCHES = (8, 32, 128, 512)
MEMBERS = (1, 64, 1_000)
MOST_MEMBER_PARAMS = {64: 200_000, 1_000: 10_000}
"""Networks that are trained by so many at once in a contest; larger ones would take minutes."""
FLOPS = 2e9
"""Of one call, about."""


def generated() -> list[Contest]:
    """A contest for each shape, batch size and number of members, and those of what no kernel knows."""
    found = [
        _contest(sizes, batch, members)
        for sizes in SHAPES
        for members in MEMBERS
        for batch in (BATCHES if members == 1 else (32,))
        if members == 1 or _params(sizes) <= MOST_MEMBER_PARAMS[members]
    ]
    return [*found, *(_unseen(sizes) for sizes in SHAPES[:3])]


def _params(sizes: tuple[int, ...]) -> int:
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def _workload(name: str, sizes: tuple[int, ...], batch: int, members: int) -> Workload:
    """About as much work in every call: some hundred steps, fewer of what is large."""
    steps = FLOPS / (6 * _params(sizes) * batch * members)
    rows = batch * int(min(max(steps, 4), 4_000 if members == 1 else 60))
    return Workload(name, sizes, rows=rows, batch_size=batch, members=members)


def _told(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))


def _contest(sizes: tuple[int, ...], batch: int, members: int) -> Contest:
    name = f"generated-{_told(sizes)}-{batch}-{members}"
    who = "one model" if members == 1 else f"{members:,} members of"
    lesser = {"JAXBM_ISA": "v3"}
    entries = (
        _entry(OURS, "cpu"), _entry(AGAIN, "cpu"), _entry(GENERATED, "program"),
        replace(_entry(KERNEL_AVX2, "cpu"), env=lesser), replace(_entry(GENERATED_AVX2, "program"), env=lesser),
    )  # fmt: skip
    title = f"{who} {_told(sizes)}, batch {batch}, by hand and generated"
    return Contest(
        name, title, _workload(name, sizes, batch, members), entries, ("generated",), rounds=15, budget=1.5,
        processor_time=True,
    )  # fmt: skip


def _entry(name: str, implementation: str) -> Contestant:
    """`fit` by one implementation on one thread, in a process of its own."""
    by_hand = implementation == "cpu"
    return Contestant(
        name,
        "peers.ours:job",
        {"implementation": implementation, **({"threads": 1} if by_hand else {})},
        () if by_hand else ("llvmlite",),
        kernel=by_hand,
        separate=True,
        cpu_only=True,
    )


def _unseen(sizes: tuple[int, ...]) -> Contest:
    """A loss, an optimizer and a model that the library has never seen, beside the kernel's step of its own menu."""
    name = f"never-seen-{_told(sizes)}"
    entries = (
        _entry(OURS, "cpu"), _entry(AGAIN, "cpu"),
        Contestant(NEVER_SEEN, "peers.ours:never_seen", requires=("llvmlite",), separate=True, cpu_only=True),
    )  # fmt: skip
    title = f"{_told(sizes)}, batch 32: a loss, an optimizer and a model of one's own"
    claim = Target(f"{title}; the kernel's step over it", 1 / 1.3, of=NEVER_SEEN, against=OURS)
    case = _workload(name, sizes, 32, 1)
    return Contest(
        name, title, case, entries, ("generated",), (claim,), rounds=15, budget=1.5, curve_tolerance=None,
        processor_time=True,
    )  # fmt: skip


def never_seen(records: Records) -> str:
    """The results of the contests of what no kernel knows, as the README has them, with machine and versions."""
    rows, told = [], ""
    for contest in generated():
        found = analysis.timed(records.contest(contest.name))
        if NEVER_SEEN not in found or OURS not in found:
            continue
        kernel, ours = (analysis.median(found[name]) for name in (OURS, NEVER_SEEN))
        times = [f"{seconds * 1e6:.3g} us" for seconds in (ours, kernel)]
        rows.append([_told(contest.case.sizes), str(contest.case.batch_size), *times, f"{ours / kernel:.2f}x"])
        run = records.run_of(found[OURS])
        machine, versions = run.machine, run.versions
        told = f"{machine['cpu']}, kernels {machine['kernels']}, Python {machine['python']}, jax {versions['jax']}."
    heads = ["network", "batch", "own loss, optimizer and model", "kernel, of its menu", "ratio"]
    return f"{told}\n\n{drawn(heads, rows)}"


def table(records: Records) -> str:
    """The results of these contests: microseconds a step of one member, and generated code's time over the kernel's.

    The ratio is of the least times: what else ran on the machine can only have made a round longer.
    """
    rows = []
    for contest in generated():
        found = analysis.timed(records.contest(contest.name))
        if GENERATED not in found or OURS not in found:
            continue
        case = contest.case
        row = [_told(case.sizes), str(case.batch_size), f"{case.members:,}"]
        for kernel, other in ((OURS, GENERATED), (KERNEL_AVX2, GENERATED_AVX2)):
            row += _pair(found, kernel, other)
        rows.append(row)
    heads = ["network", "batch", "members"]
    for isa in ("widest", "AVX2"):
        heads += [f"by hand, {isa}", f"generated, {isa}", "ratio"]
    return drawn(heads, rows)


def _pair(found: Mapping[str, Result], kernel: str, other: str) -> list[str]:
    if kernel not in found or other not in found:
        return ["", "", ""]
    by_hand, ours = (min(found[name].per_unit) for name in (kernel, other))
    return [*(f"{float(f'{seconds * 1e6:.3g}'):,g}" for seconds in (by_hand, ours)), f"{ours / by_hand:.2f}x"]
