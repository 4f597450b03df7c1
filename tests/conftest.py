"""What every test file shares."""

import ctypes
import gc
import os
import pathlib
import resource
import sys

import jax
import pytest

#: Compiling is most of a test's time, a third of it without optimizing; XLA's results are then the same to rounding.
#: What is set in the environment stays: `XLA_FLAGS= pytest` compiles as users do, as CI does on the newest JAX.
QUICK = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
if jax.__version_info__ < (0, 11):  # later ones have no other way to emit loops
    QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(QUICK))

#: Resident bytes beyond which what JAX has compiled so far is let go: a worker would else hold all of the suite's.
MEMORY = 3 * 2**30
STATM = pathlib.Path("/proc/self/statm")
TESTS = pathlib.Path(__file__).parent
#: Folders of what runs as its users have it: peers, the documentation's code, functions of any make.
AS_USERS = ("benchmarks", "house", "program", "workflow")


def resident():
    """Bytes of this process in memory; where no one says, the most there ever were."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # what was imported is there to stay, so that no later collection need look through it
    gc.set_threshold(2000, 10, 50)  # programs that are kept are many objects: each look through all of them is dear


@pytest.fixture(autouse=True)
def promotion(request):
    """No number changes its type unless a cast says so, but where others rely on it."""
    folder = request.path.relative_to(TESTS).parts[0]
    promotes = folder in AS_USERS or request.node.get_closest_marker("promotes")
    with jax.numpy_dtype_promotion("standard" if promotes else "strict"):
        yield


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    yield
    if resident() > MEMORY:
        jax.clear_caches()
        gc.collect()
        # What is free goes back to the system; else it would count on, and each file would compile everything anew.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)(0)
