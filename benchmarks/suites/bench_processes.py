"""Tables, imports and whole commands."""

from conftest import parametrised


@parametrised("import", "demo", "table")
def bench_processes(measure, contest, contestant):
    measure(contest, contestant)
