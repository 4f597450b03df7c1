"""What every test file shares."""

import resource
import sys

import jax
import pytest

#: Resident bytes beyond which what JAX has compiled so far is let go: a worker would else hold all of the suite's.
MEMORY = 3 * 2**30


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    yield
    unit = 1 if sys.platform == "darwin" else 1024
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit > MEMORY:
        jax.clear_caches()
