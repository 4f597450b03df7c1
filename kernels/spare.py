"""A kernel that was chosen by itself may fail in the midst of a run: then XLA trains it from its start."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from jaxbm.kernels.registry import IMPLEMENTATIONS

Given = ParamSpec("Given")
Result = TypeVar("Result")


def spared(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """`function`, called once more where a kernel failed that nobody had asked for by name, and is now known to.

    A trial came through before, but memory may be gone since, or the run's arrays lie on another GPU. What failed is
    not chosen by itself again in this process, of which there is one warning. Not so where `implementation` names it,
    and where `folder` holds what it has trained until then: there the error is the call's. Inside a transformation
    nothing has been launched yet.
    """

    @wraps(function)
    def call(*arguments: Given.args, **options: Given.kwargs) -> Result:
        try:
            return function(*arguments, **options)
        except (RuntimeError, ValueError) as error:  # JAX has both for a handler's failure
            if options.get("implementation") is not None or options.get("folder") is not None or not _noted(error):
                raise
        return function(*arguments, **options)

    return call


def _noted(error: Exception) -> bool:
    """Whether one of the implementations knows the error as its own; it does not go on then."""
    return any(entry.fell is not None and entry.fell(str(error)) for entry in IMPLEMENTATIONS.values())
