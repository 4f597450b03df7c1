"""Public names that are imported when somebody asks for them, as PEP 562 has it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

#: Held while something is imported. One thread that has asked for a package, which imports a module of its own, and
#: another that has asked for that module, for which Python first imports the package, would wait for each other;
#: Python breaks that off and hands out a module that is half there.
_IMPORTING = threading.RLock()


def attached(
    package: str, homes: Mapping[str, str | tuple[str, ...]] = MappingProxyType({})
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package, whose names and modules are imported at their first use.

    Importing everything takes several times as long as importing what one program uses. A name that was asked for
    stays in the package, so that it costs nothing the second time. Where a type checker looks, the package imports
    the same names in the usual way: `if TYPE_CHECKING`.

    Args:
      package: its full name, `__name__`.
      homes: each module with the name, or the names, that the package has from it. Modules inside the package need
        no mention.

    Example:
      >>> from jaxbm.core.lazy import attached
      >>> find, names = attached("jaxbm", {"jaxbm.training.fit": ("fit", "FitResult")})
      >>> find("FitResult").__name__
      'FitResult'
      >>> find("xyz")
      Traceback (most recent call last):
        ...
      AttributeError: module 'jaxbm' has no attribute 'xyz'
      >>> find("Sequential")
      Traceback (most recent call last):
        ...
      AttributeError: module 'jaxbm' has no attribute 'Sequential'; here it is jaxbm.MLP
    """
    home = {
        name: module for module, names in homes.items() for name in ((names,) if isinstance(names, str) else names)
    }

    module = sys.modules[package]

    def find(name: str) -> Any:
        with _IMPORTING:
            if name in home or name in vars(module).get("__all__", ()):
                importlib.import_module("jax")  # by all threads at one place: it can't be imported from several
            found = getattr(importlib.import_module(home[name]), name) if name in home else _inner(package, name)
        if found is None:
            inside = [found.name for found in pkgutil.iter_modules(module.__path__)]
            with _IMPORTING:
                meant = _meant(package, name, [*names(), *inside])
            raise AttributeError(f"module {package!r} has no attribute {name!r}{meant}", name=name, obj=module)
        setattr(module, name, found)
        return found

    def names() -> list[str]:
        own = {n for n in vars(module) if n.startswith("__") or f"{package}.{n}" in sys.modules}
        return sorted({*own, *home, *vars(module).get("__all__", ())})

    return find, names


def _meant(package: str, name: str, known: Iterable[str]) -> str:
    """What is called otherwise here, or nearly so; nothing for names that are Python's own."""
    if name.startswith("_"):
        return ""
    from jaxbm.core.elsewhere import hint
    from jaxbm.core.names import suggestion  # asks NumPy, which nobody needs who has a name right

    known = [one for one in known if not one.startswith("_")]
    return hint(package, name, known) or suggestion(name, known, cutoff=0.7)


def _inner(package: str, name: str) -> Any:
    """A module or package inside; None where there is none of that name."""
    if name.startswith("_") or not name.isidentifier():  # what others ask every module for
        return None
    full = f"{package}.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name != full:  # it is there, and something that it needs isn't
            raise
        return None
