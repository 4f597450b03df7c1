"""How time grows with batch, width, members and threads."""

from __future__ import annotations

from dataclasses import replace

from jaxbm.benchmarks.contest import Contest, Contestant
from jaxbm.benchmarks.contests.contestants import OURS_TWICE, SCAN, training
from jaxbm.benchmarks.contests.members import ten_thousand
from jaxbm.benchmarks.workloads import WORKLOADS


def scaling() -> list[Contest]:
    batches = [
        training(f"batch-{size}", f"20-64-32-1, batch {size:,}", (SCAN,), rounds=7)
        for size in (1, 8, 32, 128, 512, 4_096)
    ]
    widths = [
        training(f"width-{width}", f"64-{width}-{width}-1, batch 128", (SCAN,), rounds=7)
        for width in (16, 64, 256, 1_024)
    ]
    members = [
        training(f"scaling-{count}", f"{count:,} members of 20-64-32-1", (), rounds=3, least=1)
        for count in (1, 2, 8, 64, 512)
    ]
    one = Contestant("jaxbm, 1 thread", "peers.ours:job", {"threads": 1}, separate=True, cpu_only=True)
    limits = [replace(one, name=f"jaxbm, {n} threads", options={"threads": n}) for n in (2, 4, 8, 16)]
    threads = Contest(
        "threads",
        "64 members of 20-64-32-1 by number of threads",
        WORKLOADS["members-64"],
        (*OURS_TWICE, one, *limits),
        rounds=5,
    )
    return [*batches, *widths, *members, ten_thousand(), threads]
