"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import jaxbm
import jaxbm.benchmarks

# Peers of the benchmarks import libraries that need not be there, and hold no examples.
SKIPPED = ("jaxbm.__main__", "jaxbm.benchmarks.peers.", "jaxbm.benchmarks.suites.")
# In a checkout, kernels and benchmarks stand beside the package.
PACKAGES = (jaxbm, jaxbm.kernels, jaxbm.benchmarks)
NAMES = {m.name for package in PACKAGES for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")}
MODULES = sorted(name for name in NAMES if not name.startswith(SKIPPED))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # examples are short
@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_examples_are_found():
    finder = doctest.DocTestFinder()
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 40
