"""Many members at once: seeds, ensembles, sweeps, folds and groups; one concept to a file."""

from typing import TYPE_CHECKING

from jaxbm.core import lazy

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = lazy.attached(__name__)
