"""Models in a folder: written, read, applied."""

from typing import TYPE_CHECKING

from jaxbm.core import lazy

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = lazy.attached(__name__)
