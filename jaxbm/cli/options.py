"""Options and steps of training that commands share."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from jaxbm.tabular import recipes


def loss_of(task: str, name: str | None = None) -> str:
    """The loss called `name`, with hyper-parameters or without, or the task's default.

    Raises:
      ValueError: it does not fit the task, or there is no such loss or hyper-parameter.
    """
    return recipes.loss_of(task, name, "--loss")


def widths(text: str) -> tuple[int, ...]:
    """Hidden widths such as `64,32`; empty for none."""
    try:
        return tuple(int(width) for width in text.split(",")) if text else ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths such as 64,32, got {text!r}") from None


class MembersLine:
    """A line of the terminal that is kept up to date; nothing elsewhere."""

    def __init__(self) -> None:
        self.shown, self._begun = sys.stderr.isatty(), False

    @property
    def progress(self) -> Any:
        """What `fit_members` and its like take: a function, or False where nobody would see it."""
        return self.show if self.shown else False

    def show(self, now: Any) -> None:
        """Show how far the members are."""
        self._begun = True
        print(f"\r\033[K{now}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> MembersLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Leave the line, if anything is on it."""
        if self._begun:
            self._begun = False
            print(file=sys.stderr)
