"""Losses, metrics and the permutation."""

from conftest import parametrised

from jaxbm.benchmarks.cases import FLOPS_OF_LOSS
from jaxbm.benchmarks.operations.metrics import PEERS


@parametrised("permutation", *FLOPS_OF_LOSS, *PEERS)
def bench_operations(measure, contest, contestant):
    measure(contest, contestant)
