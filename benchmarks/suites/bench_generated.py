"""The training kernel written by hand against generated code."""

from conftest import parametrised


@parametrised("generated", "never-seen")
def bench_generated(measure, contest, contestant):
    measure(contest, contestant)
