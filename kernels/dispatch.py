"""The one place that decides which implementation of a training run is used, and can say why."""

from typing import Any

import jax
from jaxbm.kernels.native import native
from jaxbm.kernels.train_mlp import contract, cpu, xla

from jaxbm.names import unknown

NAMES = ("xla", "cpu", "mosaic_gpu", "tpu")
XLA_FASTER_PARAMS = 1_000_000
"""From about here XLA's matrix products on a CPU overtake the kernel's."""


def status() -> dict[str, str]:
    """Every implementation with "on", or the reason why it is off on this machine.

    Example:
      >>> import jaxbm
      >>> jaxbm.kernels.status()["xla"]
      'on'
    """
    isa, reason = native()
    return {
        "xla": "on",
        "cpu": reason or f"on ({ISA[isa or 'generic']})",
        "mosaic_gpu": "this version holds no Mosaic GPU kernel",
        "tpu": "this version holds no TPU kernel",
    }


ISA = {"v4": "AVX-512", "v3": "AVX2", "v2": "SSE4.2", "generic": "generic"}


def choose(
    implementation: str | None, task: contract.Task, optimizer: Any = None, arrays: Any = ()
) -> tuple[str, str]:
    """The implementation that runs `task`, and why: the fastest valid one for None, else the named one.

    Args:
      implementation: None or a name of `NAMES`.
      task: what is trained.
      optimizer: one that is data, or None where `task` holds functions.
      arrays: pytree of what the kernel would read as float32: parameters and features.

    Raises:
      ValueError: the name is unknown.
      NotImplementedError: the named implementation can't do it; a named one never falls back silently.
    """
    if implementation is not None and implementation not in NAMES:
        raise unknown("implementation", implementation, NAMES)
    if implementation == "xla":
        return "xla", "it was asked for"
    if implementation in ("mosaic_gpu", "tpu"):
        raise NotImplementedError(f"implementation={implementation!r}: {status()[implementation]}; use None or 'xla'")
    reason = native().reason or cpu.unsupported(task, optimizer, arrays)
    if implementation == "cpu":
        if reason is not None:
            raise NotImplementedError(f"implementation='cpu': {reason}; use None or 'xla'")
        return "cpu", "it was asked for"
    reason = reason or _slower(task)
    return ("cpu", "the compiled kernel is the fastest here") if reason is None else ("xla", reason)


def _slower(task: contract.Task) -> str | None:
    if jax.default_backend() != "cpu":
        return f"JAX's default backend here is {jax.default_backend()}, and the kernel is for CPUs"
    if native().isa == "v2":
        return "without AVX2, XLA is faster"
    if task.model.n_params > XLA_FASTER_PARAMS:
        return f"from {XLA_FASTER_PARAMS:,} parameters on, XLA's matrix products are faster"
    return None


def runner(name: str) -> Any:
    """The function `run` of the implementation called `name`."""
    return cpu.run if name == "cpu" else xla.run
