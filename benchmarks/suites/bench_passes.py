"""Passes through a network, and predictions."""

from conftest import parametrised


@parametrised("predict", "forward", "backward")
def bench_passes(measure, contest, contestant):
    measure(contest, contestant)
