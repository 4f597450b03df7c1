"""What contestants run: a program by `jaxbm.accelerate`, by `jax.jit`, by Numba."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

import jaxbm
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.programs.workload import Case


def _job(case: Case, compiled: Callable[..., Any], arguments: tuple[Any, ...]) -> Job:
    def run(seed: int) -> Any:
        del seed
        with jax.enable_x64(True) if case.x64 else nullcontext():
            return compiled(*arguments)

    return Job(run, curves=_results)


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
    return Job(lambda seed: function(case.steps, *arguments), curves=_results)


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

    return Job(run, curves=_results)
