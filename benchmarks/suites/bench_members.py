"""Many members: shared and own shuffles, groups of unlike sizes, unlike widths, numbers of threads."""

from conftest import parametrised


@parametrised("members", "scaling", "groups", "sweep", "threads")
def bench_members(measure, contest, contestant):
    measure(contest, contestant)
