"""What everything stands on: random numbers, checks, names, files."""

from typing import TYPE_CHECKING

from jaxbm.core import lazy

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = lazy.attached(__name__)
