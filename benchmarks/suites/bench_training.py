"""One model, from tiny to wide, batch 1 to 4,096."""

from conftest import parametrised


@parametrised("small", "tiny", "middle", "square", "wide", "frameworks", "torch-compile", "batch", "width")
def bench_training(measure, contest, contestant):
    measure(contest, contestant)
