"""Tables of words and numbers that fit the terminal they are printed on, and the console that prints them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxbm.report.drawing import short

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

_UNLIMITED = 10_000


def console() -> Console:
    """Where the commands print: as wide as the terminal, and without a limit into a file or a pipe.

    Colours go to terminals alone, and nowhere with `NO_COLOR` in the environment.
    """
    from rich.console import Console

    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Console(highlight=False, width=None if terminal else _UNLIMITED)


def say(console: Console, text: str, *, style: str = "") -> None:
    """Print text whose brackets are no markup: on a terminal broken between words, what is indented stays so; into a
    file as it is.

    Example:
      >>> from rich.console import Console
      >>> from jaxbm.report.fitting import say
      >>> say(Console(width=22, force_terminal=True, color_system=None), "[age]: every cell is a number")
      [age]: every cell is a
      number
    """
    from rich.text import Text

    if not console.is_terminal:
        console.print(Text(text, style), soft_wrap=True)
        return
    for line in text.split("\n"):
        told = line.lstrip(" ")
        indent = len(line) - len(told)
        for part in Text(told, style).wrap(console, max(console.width - indent, 10)) or [Text()]:
            part.rstrip()
            console.print(Text(" " * indent) + part, soft_wrap=True)


class Fitting:
    """A table for rich: a line for each row where that fits the width, else with long names of rows broken into
    lines, else a column for each, in as many blocks as it takes. Numbers are never cut, and brackets are no markup.

    Args:
      names: of the columns.
      rows: texts, a list for each row.
      labelled: whether the first column names the row; it is shown on the left.

    Example:
      >>> from rich.console import Console
      >>> from jaxbm.report.fitting import Fitting
      >>> Console(width=40).print(Fitting(["", "loss", "[F1]"], [["train", "0.25", "0.9"]]))
             loss  [F1]
      train  0.25   0.9
    """

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[str]], *, labelled: bool = True) -> None:
        self.names, self.rows, self.labelled = list(names), [list(row) for row in rows], labelled

    def _folds(self, width: int) -> bool:
        """Whether all fits when the rows' long names are broken into lines."""
        columns = [self.names, *self.rows]
        numbers = sum(2 + max(len(row[i]) for row in columns) for i in range(1, len(self.names)))
        longest = max((len(row[0]) for row in columns if row), default=0)
        return self.labelled and longest > width // 3 and width - numbers >= max(width // 3, 12)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.measure import Measurement

        wide = _table(self.names, self.rows, self.labelled)
        unlimited = options.update(width=_UNLIMITED)
        if Measurement.get(console, unlimited, wide).maximum <= options.max_width or self._folds(options.max_width):
            yield wide
            return
        names = self.names if self.labelled else ["", *self.names]
        rows = self.rows if self.labelled else [["", *row] for row in self.rows]
        longest = max((len(name) for name in names), default=0)
        room = max(options.max_width - min(longest, options.max_width // 3) - 2, 8)
        rows = [[short(row[0], room), *row[1:]] for row in rows]
        widths = [max(map(len, row)) + 2 for row in rows]
        at = 0
        while at < len(rows):
            end, used = at + 1, min(longest, options.max_width // 3) + widths[at]
            while end < len(rows) and used + widths[end] <= options.max_width:
                used += widths[end]
                end += 1
            block = rows[at:end]
            lines = [[name, *(row[i] for row in block)] for i, name in enumerate(names)]
            yield _table(lines[0], lines[1:], True)
            at = end


def _table(names: list[str], rows: list[list[str]], labelled: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, name in enumerate(names):
        first = labelled and i == 0
        table.add_column(
            Text(name), justify="left" if first else "right", no_wrap=not first, overflow="fold", header_style="bold"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table
