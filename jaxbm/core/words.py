"""Words of messages that depend on numbers."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """So many of something, in the singular or the plural, thousands apart.

    Args:
      number: how many.
      noun: what one is called.
      plural: what several are called; None adds an s.

    Example:
      >>> from jaxbm.core.words import counted
      >>> counted(1, "row"), counted(0, "row"), counted(1200, "class", "classes")
      ('1 row', '0 rows', '1,200 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def some(parts: Sequence[str], most: int) -> str:
    """The first of the parts, divided by commas, and how many more there are.

    Example:
      >>> from jaxbm.core.words import some
      >>> some(["a", "b", "c"], 3), some(["a", "b", "c"], 1)
      ('a, b, c', 'a and 2 more')
    """
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")


def fitted(told: str, width: int) -> str:
    """As many of the parts, which two spaces divide, as fit a line of `width`: one that wraps can't be replaced.

    Example:
      >>> from jaxbm.core.words import fitted
      >>> fitted("epoch 3/10  2/16 members done  best 0.25 (member 3)", 40)
      'epoch 3/10  2/16 members done'
    """
    parts = told.split("  ")
    while len(parts) > 1 and len("  ".join(parts)) >= width:
        parts.pop()
    return "  ".join(parts)[: max(width - 1, 1)]
