"""Optax's own tests, which its wheel brings along, with our functions in the place of its own."""

import importlib
import inspect
import unittest

import numpy as np
import pytest

from jaxbm import losses, optimizers

pytest.importorskip("absl.testing")
pytestmark = pytest.mark.promotes  # Optax does
MODULES = tuple(f"optax.losses._{name}" for name in ("classification", "regression", "smoothing", "self_supervised"))
ELSEWHERE = ("CTC", "Ntxent")
"""Losses of sequences and of pairs within a batch, which we don't have."""
OPTIMIZERS = ("sgd", "adam", "adamw")


BROUGHT = (
    "perceptron_loss", "multiclass_perceptron_loss", "poly_loss_cross_entropy", "convex_kl_divergence",
    "cosine_similarity", "cosine_distance", "sparsemax_loss", "multiclass_sparsemax_loss",
    "safe_softmax_cross_entropy",
)  # fmt: skip
"""Of Optax's names, what its tests must find ours in the place of."""


def suite_of(module):
    return [test for suite in unittest.defaultTestLoader.loadTestsFromModule(module) for test in suite]


def cases(module):
    try:
        found = suite_of(importlib.import_module(f"{module}_test"))
    except ModuleNotFoundError:
        return []
    return [test for test in found if not any(name in test.id() for name in ELSEWHERE)]


def failures(tests):
    result = unittest.TestResult()
    for test in tests:
        np.random.seed(0)  # noqa: NPY002 (they draw from it, and a mask of five leaves nothing once in 32 times)
        test.run(result)
    return [f"{test}: {text[-300:]}" for test, text in result.errors + result.failures]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("module", MODULES)
def test_losses(module, monkeypatch):
    theirs = importlib.import_module(module)
    ours = {n: f for n in vars(theirs) if inspect.isfunction(f := getattr(losses, n, None)) and not n.startswith("_")}
    for name, function in ours.items():
        monkeypatch.setattr(theirs, name, function)
    tests = cases(module)
    if not tests:
        pytest.skip("this Optax comes without its tests")
    assert len(ours) >= {"classification": 15, "regression": 6}.get(module.rsplit("_", 1)[-1], 1)
    assert {name for name in BROUGHT if hasattr(theirs, name)} <= set(ours)
    assert failures(tests) == []


def of_ours(test):
    return any(f"opt_name='{name}'" in str(test) for name in (*OPTIMIZERS, "sgd_mom"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_optimizers(monkeypatch):
    alias = importlib.import_module("optax._src.alias")
    try:
        tests = suite_of(importlib.import_module("optax._src.alias_test"))
    except ModuleNotFoundError:
        pytest.skip("this Optax comes without its tests")
    tests = [test for test in tests if of_ours(test)]
    assert len(tests) > 90
    for name in OPTIMIZERS:
        monkeypatch.setattr(alias, name, getattr(optimizers, name))
    assert failures(tests) == []
