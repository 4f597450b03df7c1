"""Words of messages that depend on numbers."""

from __future__ import annotations


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
