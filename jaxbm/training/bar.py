"""A bar of progress on the terminal, for `progress=True`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jaxbm.core.extras import needs
from jaxbm.core.words import fitted

WIDE, TIME, BAR = 80, 8, 24
"""Columns of a terminal that have room for a bar beside what is said, and what time left and bar take of them."""


@contextmanager
def bar(name: str = "training") -> Iterator[Callable[..., Any]]:
    """A line on standard error that goes away at the end: a function of `completed`, `total` and `description`.

    As many words as fit; no bar on a narrow terminal.
    """
    with needs("progress=True"):
        from rich.console import Console
        from rich.progress import Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    narrow: tuple[ProgressColumn, ...] = (TextColumn("{task.description}"), TimeRemainingColumn(compact=True))
    is_wide = console.width >= WIDE
    columns, room = (Progress.get_default_columns(), TIME + BAR) if is_wide else (narrow, TIME)
    with Progress(*columns, console=console, transient=True) as shown:
        line = shown.add_task(name)

        def show(description: str, **now: Any) -> None:
            shown.update(line, description=fitted(description, console.width - room), **now)

        yield show
