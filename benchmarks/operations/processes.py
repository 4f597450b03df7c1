"""Whole processes: wall time and peak memory of a child, from its start to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from jaxbm.benchmarks.cases import Process
from jaxbm.benchmarks.method import Job


class Ended(NamedTuple):
    """What is left of a child."""

    peak: float
    """bytes of memory that it held at most"""
    output: str


def run_child(command: list[str]) -> Ended:
    """Run a command to its end, in an empty folder.

    Raises:
      RuntimeError: it failed; the message carries the end of what it printed.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, text=True)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: exit status {child.returncode}: {text.strip()[-300:]}")
    return Ended(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), text)


def demo(case: Process) -> Job:
    """`jaxbm train --demo`."""
    del case
    return _child([sys.executable, "-P", "-m", "jaxbm", "train", "--demo"])


def keras_demo(case: Process) -> Job:
    """The same job in Keras on TensorFlow, with pandas and scikit-learn."""
    del case
    return _child([sys.executable, str(Path(__file__).parent.parent / "peers" / "keras_job.py")])


def statement(case: Process, *, code: str) -> Job:
    """A Python process that runs `code`, such as an import."""
    del case
    return _child([sys.executable, "-P", "-c", code])


def _child(command: list[str]) -> Job:
    return Job(lambda seed: run_child(command), peak=lambda ended: ended.peak)
