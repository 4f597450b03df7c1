"""How time grows with batch, width, members and threads."""

from __future__ import annotations

from dataclasses import replace

from jaxbm.benchmarks import limits
from jaxbm.benchmarks.contest import Contest, Contestant
from jaxbm.benchmarks.contests.contestants import OURS_TWICE, SCAN, VMAP_SCAN, training
from jaxbm.benchmarks.contests.members import ten_thousand
from jaxbm.benchmarks.workloads import WORKLOADS


def scaling() -> list[Contest]:
    """The series; 64 and about 1,000 members are contests of their own already."""
    batches = [
        training(f"batch-{size}", f"20-64-32-1, batch {size:,}", (SCAN,), rounds=7)
        for size in (1, 8, 32, 128, 512, 4_096)
    ]
    widths = [
        training(f"width-{width}", f"64-{width}-{width}-1, batch 128", (SCAN,), rounds=7, budget=2.0)
        for width in (16, 64, 256, 1_024)
    ]
    members = [
        training(f"scaling-{count}", f"{_members(count)} of 20-64-32-1", (VMAP_SCAN,), rounds=5, budget=2.0)
        for count in (1, 2, 8)
    ]
    members.append(training("scaling-512", f"{_members(512)} of 20-64-32-1", (), rounds=3))
    alike = "the same batches for all"
    shared = [
        training("scaling-8-shared", f"{_members(8)}, {alike}", (VMAP_SCAN,), rounds=5),
        training("scaling-10000-shared", f"{_members(10_000)}, {alike}", (), rounds=1, least=1, warm_up=0),
    ]
    return [*batches, *widths, *members, ten_thousand(), *shared, _threads()]


def _members(count: int) -> str:
    return f"{count:,} member{'s' * (count > 1)}"


def _threads() -> Contest:
    """One thread, then twice as many again and again up to the number of processors."""
    most = limits.threads()
    counts = sorted({*(2**i for i in range(most.bit_length())), most})
    one = Contestant("", "peers.ours:job", kernel=True, separate=True, cpu_only=True)
    named = (replace(one, name=f"jaxbm, {n} thread{'s' * (n > 1)}", options={"threads": n}) for n in counts)
    title = "64 members of 20-64-32-1 by number of threads"
    return Contest("threads", title, WORKLOADS["members-64"], (*OURS_TWICE, *named), rounds=5)
