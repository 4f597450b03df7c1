"""The training kernel written by hand against generated code."""

from conftest import parametrised


@parametrised("generated", "never-seen", "own")
def bench_generated(measure, contest, contestant):
    measure(contest, contestant)
