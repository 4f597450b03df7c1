"""Training on NVIDIA GPUs: an epoch of all members in one kernel, compiled for the run's shape when it first asks."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)
