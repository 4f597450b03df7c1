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
    if (reason := unknown_fields(run.task, task)) is not None:
        return reason
    for known, values in ((data, run.data._asdict()), (hyper, run.hyper._asdict())):
        for name, value in values.items():
            if value is not None and name not in known:
                return f"the kernel does not know the option {name!r}"
    return None


def unknown_fields(described: Any, known: Collection[str]) -> str | None:
    """Why a kernel that knows these fields of a dataclass can't compute what it describes; None where it can."""
    for field in fields(described):
        if field.name not in known and not _is_default(field, described):
            return f"the kernel does not know the option {field.name!r}"
    return None


def _is_default(field: Any, described: Any) -> bool:
    if field.default is MISSING:
        return False
    value = getattr(described, field.name)
    return value is field.default or (type(value) is type(field.default) and bool(value == field.default))
