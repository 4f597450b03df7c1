"""Telling how far a run of many members is, and stopping it without losing what is finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from jaxbm.core.checks import told
from jaxbm.training.bar import bar


class MembersProgress(NamedTuple):
    """What a progress function is called with, between chunks of epochs."""

    epochs_done: int
    epochs: int
    members_done: int
    """finished, stopped early or non-finite"""
    members: int
    best_member: int
    best_value: float
    """lowest validation loss so far, or training loss without validation"""
    steps: int
    """optimizer steps taken so far, over all members"""
    steps_left: int
    """at most"""
    seconds: float

    @property
    def steps_per_second(self) -> float:
        """Over all members, including compilation."""
        return self.steps / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """At the speed so far, if nobody stops early."""
        return self.steps_left / self.steps_per_second if self.steps else float("inf")

    def __str__(self) -> str:
        return (
            f"epoch {self.epochs_done}/{self.epochs}  {self.members_done}/{self.members} members done  "
            f"best {self.best_value:.4g} (member {self.best_member})  {self.steps_per_second:,.0f} steps/s  "
            f"{self.seconds_left:.0f} s left"
        )


Report = Callable[[MembersProgress], None]


class MembersInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run of many members; `.result` holds what was finished until then, `.told` how far it was."""

    def __init__(self, result: Any, told: MembersProgress | None = None):
        super().__init__(
            "interrupted; .result holds the members as they were after the last finished chunk of epochs"
        )
        self.result, self.told = result, told

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result, self.told)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C is only noted: the function given answers whether it came. The second one raises."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may set handlers
        return
    noted = False

    def note(number: int, frame: Any) -> None:
        nonlocal noted
        if noted:
            signal.default_int_handler(number, frame)
        noted = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def reporter(progress: bool | Report) -> Iterator[Report | None]:
    """The function to report to: the user's own, a bar, or None."""
    if callable(progress):
        yield progress
        return
    if not isinstance(progress, bool):
        raise TypeError(f"progress: expected True, False or a function, got {told(progress)}")
    if not progress:
        yield None
        return
    with bar() as show:
        yield lambda now: show(completed=now.steps, total=now.steps + now.steps_left, description=str(now))
