"""Where real hardware showed the kernel right, and ahead of XLA: the classes of runs that it is the default for.

The figures are those of `benchmarks/gpu.py`, committed for each card; a test holds the bounds against them.
"""

from typing import Any, NamedTuple

from jaxbm.run.contract import Run
from jaxbm.run.rows import training_rows


class Class(NamedTuple):
    """Runs that were measured on an architecture."""

    card: str
    params: int
    """of a network, at most"""
    batch: tuple[int, int]
    """rows of a batch, from and to"""


#: By architecture: wide networks were measured in batches of 32 only.
CLASSES = {"sm_90": (Class("NVIDIA H200", 3_457, (8, 128)), Class("NVIDIA H200", 15_751, (32, 32)))}
STEPS_AT_LEAST = 100_000
"""A program that isn't on disk yet takes some seconds to compile, and a step of one member saves some 20 us."""


def slower(run: Run, architecture: str) -> str | None:
    """Why XLA is the default for a run on this architecture; None where measurements speak for the kernel.

    Example:
      >>> from jaxbm.kernels.cuda.measured import slower
      >>> slower(None, "sm_80")
      "the kernel's speed on sm_80 was not measured yet, and XLA is the default"
    """
    known = CLASSES.get(architecture)
    if known is None:
        return f"the kernel's speed on {architecture} was not measured yet, and XLA is the default"
    visited: Any = training_rows(run.task, run.data)
    size, params = min(run.task.batch_size, visited.most), run.task.model.n_params
    if not any(params <= one.params and one.batch[0] <= size <= one.batch[1] for one in known):
        told = [
            f"{one.params:,} parameters in batches of {' to '.join(map(str, sorted({*one.batch})))}" for one in known
        ]
        return f"on {architecture} the kernel was measured for up to {' and '.join(told)} rows only"
    steps = run.task.epochs * -(-visited.most // size)
    if steps < STEPS_AT_LEAST:
        return f"{steps:,} steps may be through before the kernel is compiled; it pays from {STEPS_AT_LEAST:,} on"
    return None
