"""The kernels of MLPs: whole training runs, and inference."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)
