"""Losses, metrics and the permutation."""

from conftest import parametrised


@parametrised("permutation", "squared_error", "huber_loss", "sigmoid", "softmax", "roc_auc", "average_precision")
def bench_operations(measure, contest, contestant):
    measure(contest, contestant)
