"""The contests under pytest-benchmark: `pytest benchmarks/suites -k members`.

pytest-benchmark times one contestant after the other and has its own tools for history and comparison; `jaxbm bench`
times them in turns, on which the claims rest.
"""

import pytest

from jaxbm.benchmarks.contest import AGAIN
from jaxbm.benchmarks.contests import contests
from jaxbm.benchmarks.method import compilations, ready

PAIRS = [
    pytest.param(contest, contestant, id=f"{contest.name}-{contestant.name}")
    for contest in contests().values()
    for contestant in contest.contestants
    if contestant.name != AGAIN
]


@pytest.mark.parametrize(("contest", "contestant"), PAIRS)
def bench_contest(benchmark, contest, contestant):
    """Skipped where the contestant is absent or needs a process of its own; fails where it compiles."""
    reason = contestant.absence()
    if reason is None and (contestant.separate or contestant.env):
        reason = "it needs a process of its own: jaxbm bench"
    if reason is not None:
        pytest.skip(reason)
    job = contestant.job(contest.case)
    seeds = iter(range(1_000_000))
    for _ in range(2):
        ready(job.run(ready(job.setup(next(seeds)))))
    benchmark.group = contest.title
    with compilations() as compiled:
        benchmark.pedantic(
            lambda argument: ready(job.run(argument)),
            setup=lambda: ((ready(job.setup(next(seeds))),), {}),
            rounds=max(3, contest.rounds // 3),
        )
    assert not compiled, f"{len(compiled)} compilations while the clock ran"
