"""Where arrays stand: buffers of the caller, constants of the program, and parts of one arena by lifetime.

A part of the arena is free again when nothing refers to its buffer any more; since a program is written in the order
in which it runs, that is when it was read for the last time. What a loop needs is held while its body is written.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import TYPE_CHECKING

from jaxbm.kernels.program.values import Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.waiting import Pending

LINE = 64
"""Bytes of a cache line: what stands in the arena starts at one."""


class Arena:
    """Hands out parts of one piece of memory. `top` is how many bytes of it were ever in use."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.top = 0

    def take(self, nbytes: int) -> tuple[int, int]:
        """The first free place with room: its start and size."""
        nbytes = max(LINE, -(-nbytes // LINE) * LINE)
        at, k = 0, 0
        for k, start in enumerate(self._starts):
            if start - at >= nbytes:
                break
            at = self._ends[k]
        else:
            k = len(self._starts)
        self._starts.insert(k, at)
        self._ends.insert(k, at + nbytes)
        self.top = max(self.top, at + nbytes)
        return at, nbytes

    def free(self, start: int) -> None:
        """Give a place back."""
        k = bisect.bisect_left(self._starts, start)
        del self._starts[k], self._ends[k]


class Buffer:
    """A piece of memory. `pointer()` is its address in the code now being written.

    `views` counts the arrays that look at it. `level` is the loop or branch within which it may be overwritten: 0 and
    more for parts of the arena, -1 for what may only be read. `pending` is a product that is to be written here yet.
    """

    __slots__ = ("__weakref__", "arena", "level", "nbytes", "pending", "pointer", "start", "views")

    def __init__(
        self, pointer: Callable[[], Value], nbytes: int, level: int = -1, arena: Arena | None = None, start: int = 0
    ) -> None:
        self.pointer, self.nbytes, self.level, self.arena, self.start = pointer, nbytes, level, arena, start
        self.views = 0
        self.pending: Pending | None = None

    def __del__(self) -> None:
        if self.arena is not None:
            self.arena.free(self.start)
