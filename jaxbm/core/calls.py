"""Functions and objects that answer what other libraries' users call them with: what it is called here."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

from jaxbm.core import elsewhere
from jaxbm.core.names import suggestion

Thing = TypeVar("Thing", bound=Callable[..., Any])
KEYWORD = re.compile(r"unexpected keyword argument '(\w+)'$")
Kind = inspect.Parameter


def helpful(thing: Thing) -> Thing:
    """A function, or a class, whose errors for a call that doesn't fit say what does.

    Example:
      >>> from jaxbm.core.calls import helpful
      >>> @helpful
      ... def adam(learning_rate, *, eps=1e-8):
      ...     return learning_rate
      >>> adam(lr=1e-3)
      Traceback (most recent call last):
        ...
      TypeError: adam() got an unexpected keyword argument 'lr'; did you mean 'learning_rate'?
      >>> adam(eps=1e-7)
      Traceback (most recent call last):
        ...
      TypeError: adam() missing 1 required positional argument: 'learning_rate'; expected adam(learning_rate, ...)
    """
    if isinstance(thing, type) and issubclass(thing, tuple):
        named: Any = thing
        named.__new__ = _answering(named.__new__, thing, f"{thing.__name__}.__new__")
        return named
    if isinstance(thing, type):
        cls: Any = thing
        cls.__init__ = _answering(cls.__init__, thing, f"{thing.__name__}.__init__")
        return cls
    answering: Any = _answering(thing, thing, thing.__name__)
    return answering


def _answering(function: Callable[..., Any], shown: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            told = str(error)
            if not told.startswith(f"{name}() ") or ";" in told or not (hint := _hint(shown, told)):
                raise
            raise TypeError(told + hint) from None

    return call


def _hint(function: Callable[..., Any], told: str) -> str:
    if function.__name__ in elsewhere.CALLS:
        return f"; {elsewhere.CALLS[function.__name__]}"
    parameters = inspect.signature(function).parameters.values()
    if (unknown := KEYWORD.search(told)) is not None:
        near = suggestion(unknown[1], [p.name for p in parameters if p.kind is not Kind.VAR_KEYWORD])
        place = elsewhere.PLACES["jaxbm"].get(elsewhere.plain(unknown[1]))
        return near or (f"; here it is {place}" if place else "")
    if " missing " not in told and " takes " not in told and " multiple values " not in told:
        return ""
    needed = [
        p for p in parameters if p.default is Kind.empty and p.kind not in (Kind.VAR_KEYWORD, Kind.VAR_POSITIONAL)
    ]
    call = [f"{p.name}=..." if p.kind is Kind.KEYWORD_ONLY else p.name for p in needed]
    return f"; expected {function.__name__}({', '.join([*call, '...'])})"


def answering(kind: str) -> Callable[[Any], Any]:
    """Let objects of a class say where that is which they don't have; `kind` is one of `elsewhere.OBJECTS`.

    Example:
      >>> import jaxbm
      >>> jaxbm.MLP((4, 8, 1)).compile
      Traceback (most recent call last):
        ...
      AttributeError: 'MLP' object has no attribute 'compile'; here it is jaxbm.fit, which takes loss and optimizer
    """
    places = elsewhere.OBJECTS[kind]

    def find(self: Any, name: str) -> Any:
        place = None if name.startswith("__") else places.get(elsewhere.plain(name))
        try:
            return object.__getattribute__(self, name)  # it isn't there, or a property raised: the error says which
        except AttributeError as error:
            if place is None or hasattr(type(self), name):
                raise
            raise AttributeError(f"{error}; here it is {place}", name=name, obj=self) from None

    def of_class(cls: Any) -> Any:
        cls.__getattr__ = find
        return cls

    return of_class
