"""All contests by name, and the selections they belong to."""

from typing import TYPE_CHECKING

from jaxbm.benchmarks.contests.registry import SELECTIONS, contests, find, select
from jaxbm.core.lazy import attached

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["SELECTIONS", "contests", "find", "select"]
