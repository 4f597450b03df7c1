"""What is not installed with jaxbm itself, and how to install it."""

from __future__ import annotations

import importlib.util
from contextlib import ContextDecorator
from typing import Any

PACKAGES = {
    "pandas": "table",
    "sklearn": "table",
    "scipy": "table",
    "rich": "table",
    "matplotlib": "table",
    "safetensors": "table",
}
"""Packages that parts of the library import when they are used, and the extra that brings each."""


class needs(ContextDecorator):
    """An import of the body that fails says what needs the package and how to install it; decorates functions too.

    Args:
      what: that needs packages of an extra.
      otherwise: what to do without, where something can be done.

    Example:
      >>> from jaxbm.core.extras import needs
      >>> with needs("the report"):
      ...     raise ModuleNotFoundError(name="matplotlib.figure")
      Traceback (most recent call last):
        ...
      ModuleNotFoundError: the report needs matplotlib, which is not installed: pip install 'jaxbm[table]'
    """

    def __init__(self, what: str, otherwise: str = "") -> None:
        self.what, self.otherwise = what, otherwise

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        package = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if package in PACKAGES and "pip install" not in str(error):
            raise self.error(package) from error

    def error(self, package: str) -> ModuleNotFoundError:
        """What is told where the package is absent."""
        title = "scikit-learn" if package == "sklearn" else package
        told = f"{self.what} needs {title}, which is not installed: pip install 'jaxbm[{PACKAGES[package]}]'"
        return ModuleNotFoundError(told + self.otherwise, name=package)

    def require(self, *packages: str) -> None:
        """The same before the work instead of in its middle, where one of the packages is absent."""
        for package in packages:
            if importlib.util.find_spec(package) is None:
                raise self.error(package)
