"""Many members, shared and own shuffles."""

from conftest import parametrised


@parametrised("members-", "scaling-")
def bench_members(measure, contest, contestant):
    measure(contest, contestant)
