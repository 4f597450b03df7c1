"""What contestants run: a program by `jaxbm.accelerate`, by `jax.jit`, by Numba."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

import jaxbm
from jaxbm.benchmarks.method import Job, ready
from jaxbm.benchmarks.programs.workload import Case

AWAKE_SECONDS = 0.01
"""What a process that slept is kept busy for before its round: its first call finds the caches of whoever ran
meanwhile, which costs 0.2 to 0.5 ms, as much as a thousand steps of a small program."""


def warmed(run: Callable[[int], Any]) -> Job:
    """A job each of whose rounds but the first follows calls that aren't timed."""
    called = False

    def timed(seed: int) -> Any:
        nonlocal called
        called = True
        return run(seed)

    def setup(seed: int) -> int:
        stop = time.perf_counter() + AWAKE_SECONDS
        while called and time.perf_counter() < stop:
            ready(run(seed))
        return seed

    return Job(timed, setup, _results)


def _job(case: Case, compiled: Callable[..., Any], arguments: tuple[Any, ...]) -> Job:
    def run(seed: int) -> Any:
        del seed
        with jax.enable_x64(True) if case.x64 else nullcontext():
            return compiled(*arguments)

    return warmed(run)


def _results(output: Any) -> dict[str, Any]:
    """The first result, as what peers must agree in."""
    return {"result": np.asarray(jax.tree.leaves(output)[0], np.float64).reshape(-1)[:8]}


def accelerated(case: Case) -> Job:
    """`jaxbm.accelerate`, as one native function or an error."""
    with jax.enable_x64(True) if case.x64 else nullcontext():
        function, arguments = case.program()
    return _job(case, jaxbm.accelerate(function, require=True), arguments)


def jitted(case: Case, *, unroll: int = 1) -> Job:
    """`jax.jit`."""
    with jax.enable_x64(True) if case.x64 else nullcontext():
        function, arguments = case.program(unroll)
    return _job(case, jax.jit(function), arguments)


def numba(case: Case) -> Job:
    """The same in NumPy, compiled by Numba."""
    from jaxbm.benchmarks.peers import numba_loops

    with jax.enable_x64(True) if case.x64 else nullcontext():
        arguments = [np.asarray(a) for a in case.program().arguments]
    function = getattr(numba_loops, case.make.partition(":")[2])
    return warmed(lambda seed: function(case.steps, *arguments))


def call(case: Case, *, native: bool, arguments: int = 1) -> Job:
    """Many calls of a function that does next to nothing with each of its arguments."""

    def more(*values: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(x + 1 for x in values)

    start = tuple(jax.numpy.arange(3.0) + k for k in range(arguments))
    compiled = jaxbm.accelerate(more, require=True) if native else jax.jit(more)

    def run(seed: int) -> Any:
        del seed
        values = start
        for _ in range(case.steps):
            values = compiled(*values)
        return values

    return warmed(run)
