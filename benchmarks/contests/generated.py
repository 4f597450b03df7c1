"""The hand-written training kernel against generated code: the same `fit`, by either, on either instruction set.

Generated code would be the better default wherever it is as fast, since it knows every loss, optimizer and model. One
contest for each class of shapes says where that is so.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from jaxbm.benchmarks.contest import OURS, Contest, Contestant, Target, twice
from jaxbm.benchmarks.workloads import Workload

GENERATED, KERNEL_AVX2, GENERATED_AVX2 = "jaxbm generated", "jaxbm (AVX2)", "jaxbm generated (AVX2)"
NEVER_SEEN = "jaxbm, never seen"
JOB = "peers.ours:job"
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
    by_hand, lesser = _by_hand(), {"JAXBM_ISA": "v3"}
    generated = Contestant(GENERATED, JOB, {"implementation": "program"}, ("llvmlite",), separate=True, cpu_only=True)
    entries = (
        *by_hand, generated,
        replace(by_hand[0], name=KERNEL_AVX2, env=lesser), replace(generated, name=GENERATED_AVX2, env=lesser),
    )  # fmt: skip
    title = f"{who} {_told(sizes)}, batch {batch}, by hand and generated"
    return Contest(
        name, title, _workload(name, sizes, batch, members), entries, ("generated",), rounds=15, budget=1.5,
        processor_time=True,
    )  # fmt: skip


def _by_hand() -> tuple[Contestant, Contestant]:
    """`fit` by the kernel on one thread, in a process of its own."""
    return twice(JOB, {"implementation": "cpu", "threads": 1}, kernel=True, separate=True, cpu_only=True)


def _unseen(sizes: tuple[int, ...]) -> Contest:
    """A loss, an optimizer and a model that the library has never seen, beside the kernel's step of its own menu."""
    name = f"never-seen-{_told(sizes)}"
    entries = (
        *_by_hand(),
        Contestant(NEVER_SEEN, "peers.ours:never_seen", requires=("llvmlite",), separate=True, cpu_only=True),
    )  # fmt: skip
    title = f"{_told(sizes)}, batch 32: a loss, an optimizer and a model of one's own"
    claim = Target(f"{title}; the kernel's step over it", 1 / 1.3, of=NEVER_SEEN, against=OURS)
    case = _workload(name, sizes, 32, 1)
    return Contest(
        name, title, case, entries, ("generated",), (claim,), rounds=15, budget=1.5, curve_tolerance=None,
        processor_time=True,
    )  # fmt: skip
