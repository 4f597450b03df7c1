"""What the machine can do at most, measured in the same run as everything that is held against it.

On a CPU by small compiled loops (`native/limits.cc`), or NumPy where no compiler was found at installation; on an
accelerator by JAX operations that do nothing else.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

LIBRARY = "lib/jaxbm_limits.so"
STREAM_ELEMENTS = 10_000_000
"""per array: 40 MB"""
GPU_MATMUL = 8_192


def measure(*, repeats: int = 5, elements: int = STREAM_ELEMENTS) -> dict[str, float]:
    """The limits of the default device.

    Args:
      repeats: tries; the best counts, since anything else on the machine only takes away.
      elements: float32 numbers in each array that the bandwidth is measured with.

    Returns:
      "peak_core" and "peak" in FLOP/s (multiply-adds in registers; a large matrix product on an accelerator),
      "matmul" in FLOP/s (a product of large matrices through XLA), "triad" and "seven_streams" in bytes/s,
      "call" in seconds (a compiled function of one small array), "threads", and "cache" in bytes.

    Example:
      >>> found = measure(repeats=1, elements=1000)
      >>> found["peak"] > 0 and found["call"] > 0
      True
    """
    import jax

    if jax.default_backend() == "cpu":
        found = _cpu(repeats, elements)
        found["matmul"] = matmul(repeats, 1_536)
    else:
        found = _accelerator(repeats, elements)
    found["call"] = _call_overhead()
    return found


def threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cache_bytes() -> float:
    """The last cache level's size as Linux tells it, else 32 MiB."""
    sizes = [32 << 20]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        sizes.append(int(text.rstrip("KM")) << {"K": 10, "M": 20}.get(text[-1], 0))
    return float(max(sizes[1:] or sizes))


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled loops, or None where they were not built."""
    import jaxbm.benchmarks

    found = [path for folder in jaxbm.benchmarks.__path__ if (path := Path(folder) / LIBRARY).exists()]
    if not found:
        return None
    loops = ctypes.CDLL(str(found[0]))
    for name in ("jaxbm_peak", "jaxbm_triad", "jaxbm_seven_streams"):
        getattr(loops, name).restype = ctypes.c_double
    return loops


def seven_streams(n_threads: int, g: np.ndarray, p: np.ndarray, m: np.ndarray, v: np.ndarray) -> float:
    """Seconds of one plain loop that reads `g`, `p`, `m`, `v` and writes `p`, `m`, `v`: Adam's traffic."""
    loops = library()
    if loops is not None:
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (g, p, m, v)]
        return float(loops.jaxbm_seven_streams(n_threads, ctypes.c_int64(g.size), *pointers))
    began = time.perf_counter()
    block = 1 << 15  # a block stays in cache between NumPy's passes, so that the bus sees seven streams only
    for i in range(0, g.size, block):
        part = slice(i, i + block)
        m[part] *= np.float32(0.9)
        m[part] += g[part]
        v[part] *= np.float32(0.99)
        v[part] += g[part]
        p[part] -= np.float32(1e-6) * m[part]
    return time.perf_counter() - began


def _cpu(repeats: int, elements: int) -> dict[str, float]:
    n_threads = threads()
    arrays = [np.full(elements, 0.5 + i, np.float32) for i in range(4)]
    loops = library()
    if loops is None:
        n = 1_024
        a, b = (np.random.default_rng(i).standard_normal((n, n), np.float32) for i in range(2))
        peak = 2 * n**3 / _best(repeats, lambda: a @ b)
        core = peak / n_threads
        triad = _best(
            repeats, lambda: np.add(arrays[0], np.multiply(arrays[1], np.float32(0.5), arrays[2]), arrays[2])
        )
    else:
        iterations = ctypes.c_int64(20_000_000)
        core = max(loops.jaxbm_peak(1, iterations) for _ in range(repeats))
        peak = max(loops.jaxbm_peak(n_threads, iterations) for _ in range(repeats))
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in arrays[:3]]
        triad = min(loops.jaxbm_triad(n_threads, ctypes.c_int64(elements), *pointers) for _ in range(repeats))
    seven = min(seven_streams(n_threads, *arrays) for _ in range(repeats))
    return {
        "peak_core": core,
        "peak": peak,
        "triad": 3 * 4 * elements / triad,
        "seven_streams": 7 * 4 * elements / seven,
        "threads": n_threads,
        "cache": cache_bytes(),
    }


def _accelerator(repeats: int, elements: int) -> dict[str, float]:
    import jax
    import jax.numpy as jnp

    rate = matmul(repeats, GPU_MATMUL)
    b, c = jnp.full(10 * elements, 0.5), jnp.full(10 * elements, 1.5)
    triad = jax.jit(lambda b, c: b + 0.5 * c)
    seconds = _best(repeats, lambda: jax.block_until_ready(triad(b, c)))
    bandwidth = 3 * 4 * 10 * elements / seconds
    return {
        "peak_core": rate,
        "peak": rate,
        "matmul": rate,
        "triad": bandwidth,
        "seven_streams": bandwidth,
        "threads": threads(),
        "cache": 0.0,
    }


def matmul(repeats: int, n: int) -> float:
    import jax

    a, b = (jax.random.normal(jax.random.key(i), (n, n)) for i in range(2))
    product = jax.jit(lambda a, b: a @ b)
    return 2 * n**3 / _best(repeats, lambda: jax.block_until_ready(product(a, b)))


def _call_overhead(calls: int = 1_000) -> float:
    import jax
    import jax.numpy as jnp

    function, x = jax.jit(lambda x: x + 1), jnp.ones(8)
    jax.block_until_ready(function(x))
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        jax.block_until_ready(function(x))
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _best(repeats: int, function: Callable[[], Any]) -> float:
    function()
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - began)
    return best
