"""Questions put to many members: which hyper-parameters, how good, one model for each group."""

from typing import TYPE_CHECKING

from jaxbm.core import lazy

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = lazy.attached(__name__)
