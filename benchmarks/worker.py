"""A contestant in a process of its own: the far end of the pipe, and the near one.

The worker builds its job, then answers each seed it reads with one line of JSON: a timed round. So contestants that
can't share a process still take turns round by round.
"""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import jaxbm
import jaxbm.benchmarks
import jaxbm.kernels
from jaxbm.benchmarks.contest import Contest, Contestant
from jaxbm.benchmarks.method import Round, timed

SETTLE_SECONDS = 0.03
"""before a round: thread pools of the process whose turn it was spin for a while before they sleep"""


class WorkerError(RuntimeError):
    """A contestant's process ended with an error; the message is the last line of what it printed."""


def peak_bytes() -> int:
    """The most memory this process ever held (its resident set)."""
    # On Linux `getrusage` begins with the peak of the process that started this one; the kernel's own line does not.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@cache
def environment() -> dict[str, str]:
    """What a worker's process finds around it: modules that are compiled, as those of an installed package are,
    whatever this process was told. Compiling them would count as part of a first call."""
    for package in (jaxbm, jaxbm.kernels, jaxbm.benchmarks):
        for folder in package.__path__:
            compileall.compile_dir(folder, quiet=2)
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Worker:
    """A contestant's process, used as a context manager and called with seeds."""

    def __init__(self, contest: Contest, contestant: Contestant):
        self.name = contestant.name
        # -P: the folder we were started in must not hide the installed package.
        command = [sys.executable, "-P", "-m", "jaxbm.benchmarks.worker", contest.name, contestant.name]
        self.process = subprocess.Popen(
            command,
            env={**environment(), **contestant.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate("", timeout=10) if self.process.poll() is None else None
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def __call__(self, seed: int) -> Round:
        """One round, timed over there.

        Raises:
          WorkerError: the process ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        time.sleep(SETTLE_SECONDS)
        try:
            self.process.stdin.write(f"{seed}\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            assert self.process.stderr is not None
            said = self.process.stderr.read().strip().splitlines() or ["it ended without a word"]
            raise WorkerError(said[-1])
        return Round(**json.loads(line))


def serve(contest: Contest, contestant: Contestant, *, lines: Any = None, out: Any = None) -> None:
    """Build the contestant's job and answer seeds until the input ends."""
    out = out or os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print must not get into the answers
    job = contestant.job(contest.case)
    for line in lines or sys.stdin:
        answer = timed(job, int(line), clock=contest.clock)._asdict()
        answer["peak"] = answer["peak"] or peak_bytes()
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    from jaxbm.benchmarks.contests import find

    found = find(sys.argv[1])
    serve(found, next(c for c in found.contestants if c.name == sys.argv[2]))
