"""Small programs by `accelerate`, and the call itself."""

from conftest import parametrised


@parametrised("program")
def bench_programs(measure, contest, contestant):
    measure(contest, contestant)
