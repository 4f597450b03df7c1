"""What the functions with one compiled CPU kernel, and plain JAX beside it, choose by."""

from collections.abc import Callable

import jax

from jaxbm.core.checks import told
from jaxbm.kernels.native import native


def off() -> str | None:
    """Why the compiled CPU kernels can't be called here; None where they can."""
    return native().reason or elsewhere()


def elsewhere() -> str | None:
    """That JAX computes on something else by default; None where it is the CPU."""
    platform = jax.default_backend()
    return None if platform == "cpu" else f"JAX's default backend here is {platform}, and the kernel is for CPUs"


def by_kernel(implementation: str | None, why_not: Callable[[], str | None]) -> bool:
    """Whether the kernel computes.

    Args:
      implementation: None for the kernel where it can, else plain JAX; "cpu" or "xla" for one of them.
      why_not: says why the kernel can't; None where it can.

    Raises:
      ValueError: `implementation` is neither.
      NotImplementedError: `implementation="cpu"`, and the kernel can't; says why.
    """
    if not (implementation is None or (isinstance(implementation, str) and implementation in ("cpu", "xla"))):
        raise ValueError(f"implementation: expected None, 'cpu' or 'xla', got {told(implementation)}")
    if implementation == "xla":
        return False
    reason = why_not()
    if reason is not None and implementation == "cpu":
        raise NotImplementedError(f"implementation='cpu': {reason}; use None or 'xla'")
    return reason is None
