"""The one place that decides which implementation of a training run is used, and can say why."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxbm.core.names import lookup, unknown
from jaxbm.kernels.mlp import train as cpu
from jaxbm.kernels.native import native
from jaxbm.losses import LOSSES
from jaxbm.optimizers import Adam
from jaxbm.run import contract, loop

NAMES = ("xla", "cpu", "mosaic_gpu", "tpu")
XLA_FASTER_PARAMS, XLA_FASTER_PARAMS_AMX = 1_000_000, 20_000_000
"""From about here XLA's matrix products on a CPU overtake the kernel's; with AMX nothing larger was measured."""


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


ISA = {"v4_amx": "AVX-512 with AMX", "v4": "AVX-512", "v3": "AVX2", "v2": "SSE4.2", "generic": "generic"}


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
    most = XLA_FASTER_PARAMS_AMX if native().isa == "v4_amx" else XLA_FASTER_PARAMS
    if task.model.n_params > most:
        return f"from {most:,} parameters on, XLA's matrix products are faster"
    return None


class Explanation(NamedTuple):
    """Which implementation runs, why, and what keeps each of the others from it."""

    implementation: str
    reason: str
    others: dict[str, str]

    def __str__(self) -> str:
        lines = [
            f"{self.implementation}: {self.reason}",
            *(f"not {name}: {why}" for name, why in self.others.items()),
        ]
        return "\n".join(lines)


def explain(
    model: Any,
    *,
    loss: str | contract.Loss,
    optimizer: Any = None,
    augment: Any = None,
    dtype: Any = "float32",
    implementation: str | None = None,
) -> Explanation:
    """Which implementation `fit` and `fit_members` would use, and why.

    Args:
      model, loss, optimizer, augment, implementation: as for `fit`; its other options run everywhere.
      dtype: of the features.

    Raises:
      ValueError, NotImplementedError: as for `fit`, when `implementation` can't do it.

    Example:
      >>> import jaxbm
      >>> model = jaxbm.MLP((20, 64, 1), output_activation="tanh")
      >>> print(jaxbm.kernels.explain(model, loss="squared_error").implementation)
      xla
    """
    optimizer = Adam() if optimizer is None else optimizer
    is_data = not any(callable(leaf) for leaf in jax.tree.leaves(optimizer))
    task = contract.Task(
        model, lookup("loss", loss, LOSSES) if isinstance(loss, str) else loss, 32, 1, augment=augment,
        optimizer=None if is_data else optimizer,
    )  # fmt: skip
    features = jax.ShapeDtypeStruct((1, *model.input_shape), jnp.dtype(dtype))
    name, reason = choose(implementation, task, optimizer if is_data else None, features)
    others = {other: _against(other, task, optimizer if is_data else None, features) for other in NAMES}
    others.pop(name)
    return Explanation(name, reason, others)


def _against(name: str, task: contract.Task, optimizer: Any, arrays: Any) -> str:
    try:
        choose(name, task, optimizer, arrays)
    except NotImplementedError as error:
        return str(error).removeprefix(f"implementation={name!r}: ").removesuffix("; use None or 'xla'")
    return "the compiled kernel is faster here" if name == "xla" else _slower(task) or "it was not asked for"


def runner(name: str) -> Any:
    """The function `run` of the implementation called `name`."""
    return cpu.run if name == "cpu" else loop.run
