"""Options and steps of training that commands share."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from typing import Any, ClassVar

from jaxbm.core.words import fitted


def loss_of(task: str, name: str | None = None) -> str:
    """The loss called `name`, with hyper-parameters or without, or the task's default.

    Raises:
      ValueError: it does not fit the task, or there is no such loss or hyper-parameter.
    """
    from jaxbm.tabular import recipes

    return recipes.loss_of(task, name, "--loss")


def widths(text: str) -> tuple[int, ...]:
    """Hidden widths such as `64,32`; empty for none."""
    try:
        found = tuple(int(width) for width in text.split(",")) if text else ()
    except ValueError:
        found = (0,)
    if min(found, default=1) < 1:
        raise argparse.ArgumentTypeError(f"expected widths such as 64,32, got {text!r}")
    return found


class MembersLine:
    """A line of the terminal that is kept up to date; nothing elsewhere."""

    open: ClassVar[MembersLine | None] = None
    """the one with something on it, which whoever else prints has to leave first"""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def progress(self) -> Any:
        """What `fit_members` and its like take: a function, or False where nobody would see it."""
        return self.show if self.shown else False

    def show(self, now: Any) -> None:
        """Show how far the members are."""
        MembersLine.open = self
        print(f"\r\033[K{fitted(str(now), _width())}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> MembersLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Leave the line, if anything is on it."""
        if MembersLine.open is self:
            MembersLine.open = None
            print(file=sys.stderr)


def leave_line() -> None:
    """Begin a line of one's own where progress is being shown."""
    if MembersLine.open is not None:
        MembersLine.open.end()


def complain(told: str) -> None:
    """Tell it on standard error: on a terminal broken between words, into a file as it is."""
    leave_line()
    if sys.stderr.isatty():
        lines = (
            textwrap.wrap(line, _width(), break_long_words=False, break_on_hyphens=False) for line in told.split("\n")
        )
        told = "\n".join("\n".join(line) for line in lines)
    print(told, file=sys.stderr)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
