"""The contests as pytest-benchmark suites: `pytest benchmarks/suites`, or one file, or `-k members`.

pytest-benchmark times one contestant after the other and has its own tools for history and comparison; `jaxbm bench`
times them in turns, on which the claims rest.
"""

import pytest

from jaxbm.benchmarks.contest import AGAIN
from jaxbm.benchmarks.contests import contests
from jaxbm.benchmarks.method import compilations, ready


def parametrised(*names):
    """Mark a benchmark with every contestant of the contests named so, or so with a dash and more behind."""
    pairs = [
        pytest.param(contest, contestant, id=f"{contest.name}-{contestant.name}")
        for contest in contests().values()
        for contestant in contest.contestants
        if f"{contest.name}-".startswith(tuple(f"{name}-" for name in names)) and contestant.name != AGAIN
    ]
    return pytest.mark.parametrize(("contest", "contestant"), pairs)


@pytest.fixture
def measure(benchmark):
    """Time one contestant: skipped where it is absent or needs a process of its own; fails where it compiles."""

    def run(contest, contestant):
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

    return run
