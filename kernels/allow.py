"""What a kernel needs in order to refuse: which parts of a run it was never told about."""

from collections.abc import Collection
from dataclasses import MISSING, fields
from typing import Any

from jaxbm.run.contract import Run


def unknown_options(run: Run, task: Collection[str], data: Collection[str], hyper: Collection[str]) -> str | None:
    """Why a kernel that knows these fields of `Task`, `Data` and `Hyper` can't carry out a run; None where it can.

    A field that isn't listed must be at its default (`Task`) or absent (`Data`, `Hyper`): then it asks for nothing.

    Example:
      >>> from jaxbm.kernels.allow import unknown_options
      >>> from jaxbm.run.contract import Data, Hyper, Run, Task
      >>> run = Run(Task("a model", "a loss", 32, 1), Data("x", "y"), Hyper(l2=0.1))
      >>> unknown_options(run, ("model", "loss", "batch_size", "epochs"), ("x", "y"), ("dropout",))
      "the kernel does not know the option 'l2'"
    """
    for name, known, present in (
        *((f.name, task, not _is_default(f, run.task)) for f in fields(run.task)),
        *((name, data, value is not None) for name, value in run.data._asdict().items()),
        *((name, hyper, value is not None) for name, value in run.hyper._asdict().items()),
    ):
        if present and name not in known:
            return f"the kernel does not know the option {name!r}"
    return None


def _is_default(field: Any, task: Any) -> bool:
    if field.default is MISSING:
        return False
    value = getattr(task, field.name)
    return value is field.default or (type(value) is type(field.default) and bool(value == field.default))
