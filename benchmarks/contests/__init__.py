"""All contests by name, and the selections they belong to."""

from jaxbm.benchmarks.contests.registry import SELECTIONS, contests, find, select

__all__ = ["SELECTIONS", "contests", "find", "select"]
