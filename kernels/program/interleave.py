"""Independent chains of operations, written by turns.

An elementary function is one long chain: each operation waits for the one before it, four cycles or more. A processor
looks some hundred operations ahead, little more than one such chain, so chains that stand one after another run one
after another. Written by turns they run at once. Nothing else changes: the same operations, on the same operands.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from jaxbm.kernels.program.function import Function

T = TypeVar("T")
_NAME = re.compile(r"%[\w.]+")
_STRAIGHT = re.compile(r"  (%[\w.]+) = ")


def interleaved(f: Function, writers: Sequence[Callable[[], T]]) -> list[T]:
    """What each of these gives, which write straight code that stores nothing; where one doesn't, they follow one
    another."""
    first = f.position()
    ends, results = [first], []
    for write in writers:
        results.append(write())
        ends.append(f.position())
    parts = [f.written(a, b) for a, b in itertools.pairwise(ends)]
    if all(line is not None and _STRAIGHT.match(line) for part in parts for line in part):
        f.rewrite(first, _by_turns(parts))  # type: ignore[arg-type]
    return results


def _by_turns(parts: Sequence[Sequence[str]]) -> list[str]:
    """The lines of all parts in an order in which each stands behind what it reads."""
    pending = {line.split(" = ", 1)[0].strip() for part in parts for line in part}
    places = [0] * len(parts)
    out: list[str] = []
    # What an earlier part has is not written again in a later one, which waits for it then.
    while len(out) < sum(map(len, parts)):
        for k, part in enumerate(parts):
            if places[k] == len(part):
                continue
            name, read = part[places[k]].split(" = ", 1)
            if not pending.isdisjoint(_NAME.findall(read)):
                continue
            out.append(part[places[k]])
            pending.discard(name.strip())
            places[k] += 1
    return out


__all__ = ["interleaved"]
