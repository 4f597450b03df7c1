"""What a contest is: one case, its contestants, and the ratios that are claimed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import jaxbm
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.work import Work

OURS, AGAIN = "jaxbm", "jaxbm again"


class Case(Protocol):
    """What is done in one timed call."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str:
        """what `units` counts: "member-step", "row", "call" """
        ...

    @property
    def units(self) -> int:
        """how many of them one call does"""
        ...

    def work(self, cache: float) -> Work | None:
        """of one call; None where no limit applies"""
        ...

    def describe(self) -> dict[str, Any]:
        """for the record"""
        ...


@dataclass(frozen=True)
class Contestant:
    """Somebody who does the case's work.

    Args:
      name: as shown.
      make: "module:function" under `jaxbm.benchmarks`; called with the case and `options`, returns a `Job`.
      options: keyword arguments of `make`.
      requires: modules it needs; where one is missing the contestant is reported as absent.
      kernel: needs the compiled CPU kernels.
      env: environment variables, set before anything is imported; implies a process of its own.
      separate: runs in a process of its own, as what is process-wide (threads, backends, memory) demands.
      members: it is timed on so many of the case's members, and its time taken as proportional.
      cpu_only: means nothing on an accelerator.
    """

    name: str
    make: str
    options: Mapping[str, Any] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    kernel: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    separate: bool = False
    members: int | None = None
    cpu_only: bool = False

    def case(self, case: Any) -> Any:
        """The contest's case, cut down to what this contestant is timed on."""
        return case if self.members is None else case.with_members(min(self.members, case.members))

    def job(self, case: Any) -> Job:
        """Build it; this is where its library is imported."""
        module, _, function = self.make.partition(":")
        build: Callable[..., Job] = getattr(importlib.import_module(f"jaxbm.benchmarks.{module}"), function)
        return build(self.case(case), **self.options)

    def absence(self) -> str | None:
        """Why it can't take part here; None where it can. Imports nothing that is not already imported."""
        for name in self.requires:
            if name not in sys.modules and importlib.util.find_spec(name) is None:
                return f"{name} is not installed"
        state = jaxbm.kernels.status()["cpu"] if self.kernel else "on"
        if not state.startswith("on"):
            return f"the compiled CPU kernels are off: {state}"
        if self.cpu_only:
            import jax

            if jax.default_backend() != "cpu":
                return "it is for CPUs"
        return None


def twice(make: str, options: Mapping[str, Any] | None = None, **fields: Any) -> tuple[Contestant, Contestant]:
    """Ourselves, and ourselves again: what the two differ by is noise (A/A). Takes what `Contestant` takes."""
    ours = Contestant(OURS, make, options or {}, **fields)
    return ours, replace(ours, name=AGAIN)


@dataclass(frozen=True)
class Target:
    """A claim about a contest's result.

    Args:
      what: in words.
      at_least: the figure to reach, or not to exceed.
      measure: "speed" (time of `against` over time of `of`), "memory" (likewise), "more memory" (GiB that `of` holds
        beyond `against`, at most), "core peak" (fraction of one core's rate of multiply-adds that `of` reaches) or
        "compile" (seconds, at most).
      of, against: contestants' names.
    """

    what: str
    at_least: float
    measure: str = "speed"
    of: str = OURS
    against: str = ""


@dataclass(frozen=True)
class Contest:
    """A case, who competes, how often, and what is claimed.

    Args:
      name: how it is asked for.
      title: in words.
      case: what is done in a call.
      contestants: who does it; the first one is ours.
      selections: names of the selections it belongs to.
      targets: what is claimed.
      rounds: timed calls of each.
      budget: seconds for each contestant's rounds; a slow one gets fewer, at least three.
      curve_tolerance: how far a peer's loss may lie from ours, relatively; None compares none.
      warm_up: untimed calls after the first.
      least: timed calls that even the slowest gets.
      memory: bytes that all contestants together hold; where the machine has less to give, all are absent.
      processor_time: rounds are timed by what all threads of the process spent on a processor, not by the wall's
        clock: what else the machine does then disturbs little, and a second thread gains nothing.
    """

    name: str
    title: str
    case: Any
    contestants: tuple[Contestant, ...]
    selections: tuple[str, ...] = ("full",)
    targets: tuple[Target, ...] = ()
    rounds: int = 15
    budget: float = 4.0
    curve_tolerance: float | None = 0.15
    warm_up: int = 1
    least: int = 3
    memory: float = 0.0
    processor_time: bool = False

    @property
    def clock(self) -> Callable[[], float]:
        """What tells a round's seconds."""
        return time.process_time if self.processor_time else time.perf_counter

    def absence(self) -> str | None:
        """Why nobody can take part here; None where they can."""
        free = free_bytes()
        if free is None or self.memory <= free:
            return None
        return f"it takes {self.memory / 2**30:.0f} GiB of memory, of which {free / 2**30:.0f} are free"


def free_bytes() -> float | None:
    """Memory that can be had without swapping, as Linux estimates it; None elsewhere."""
    path = Path("/proc/meminfo")
    if not path.exists():
        return None
    line = next(line for line in path.read_text().splitlines() if line.startswith("MemAvailable:"))
    return float(line.split()[1]) * 1024
