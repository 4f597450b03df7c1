"""Elementary functions by name: each is written once, as a graph of basic operations on scalars or vectors.

`call(f, "exp", x)` writes the function for x's type into f's module when it is first asked for, and calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import Type
from jaxbm.kernels.program.values import Value


class Definition(NamedTuple):
    """How a function is written."""

    build: Callable[..., Value]
    arity: int
    inline: bool


_definitions: dict[str, Definition] = {}


def function(
    name: str, arity: int = 1, *, inline: bool = True
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Register a function. Long ones aren't inlined: their text would only slow the compiler down."""

    def register(build: Callable[..., Value]) -> Callable[..., Value]:
        _definitions[name] = Definition(build, arity, inline)
        return build

    return register


def names() -> frozenset[str]:
    """All functions that `call` knows."""
    return frozenset(_definitions)


def emit(module: Module, name: str, type: Type) -> str:
    """Define the function for this type in the module, unless it is there; gives its name in the module."""
    definition = _definitions[name]
    if type.kind not in ("float", "double"):
        raise TypeError(f"{name} is defined for float32 and float64, not for {type}")
    full = f"maths.{name}.{type.suffix}"

    def define() -> None:
        params = [(f"x{k}", type) for k in range(definition.arity)]
        inlined = "alwaysinline" if definition.inline else "noinline"
        f = module.function(full, params, type, internal=True, attributes=f"{inlined} nounwind memory(none)")
        f.ret(definition.build(*f.params))

    return module.once(full, define)


def call(f: Function, name: str, *args: Value) -> Value:
    """The function of these values, which are of one type.

    Raises:
        KeyError: there is no function of this name.
        TypeError: the function isn't defined for this type.
    """
    full = emit(f.module, name, args[0].type)
    return f.call(full, args[0].type, args, pure=True)
