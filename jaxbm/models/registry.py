"""Models by the name of their class, so that a saved one is found again."""

from __future__ import annotations

from typing import Any, TypeVar

from jaxbm.core.names import unknown
from jaxbm.models.protocol import Model

KINDS: dict[str, type[Model]] = {}
"""Class name -> class."""

M = TypeVar("M", bound=type)


def register(cls: M) -> M:
    """Make `jaxbm.load` know a model class of one's own; a decorator.

    Raises:
      ValueError: another class has this name already.

    Example:
      >>> import dataclasses, jaxbm
      >>> from jaxbm.models.registry import register
      >>> @register
      ... @dataclasses.dataclass(frozen=True)
      ... class Wide(jaxbm.MLP):
      ...     pass
    """
    known = KINDS.get(cls.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"register: expected a name of its own, but {known.__module__} has a {cls.__name__} as well")
    KINDS[cls.__name__] = cls
    return cls


def describe(model: Model) -> dict[str, Any]:
    """JSON values that `restore` makes the model from.

    Raises:
      TypeError: it can't be described; says why.
      ValueError: its class is not registered.
    """
    kind = type(model).__name__
    described = model.describe()
    if KINDS.get(kind) is not type(model):
        raise ValueError(f"model: expected a class that jaxbm.models.registry.register was told of, got {kind}")
    return {"kind": kind, **described}


def restore(description: dict[str, Any]) -> Model:
    """The model that `describe` told; without a kind, as older versions wrote it, an `MLP`.

    Raises:
      ValueError: the kind is unknown in this process.
    """
    values = dict(description)
    kind = values.pop("kind", "MLP")
    if kind not in KINDS:
        raise unknown("model", kind, KINDS)
    return KINDS[kind].restore(values)
