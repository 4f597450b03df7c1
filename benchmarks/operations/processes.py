"""Whole processes: wall time and peak memory of a child, from its start to its end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from jaxbm.benchmarks.cases import Process
from jaxbm.benchmarks.method import Job

#: Starts the command and writes down what it took. A process begins with the peak of the one that started it, so a
#: small one must stand between a benchmark that has held gigabytes and what it measures.
LAUNCHER = """
import os, resource, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status if status >= 0 else 1)
"""


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
        peak = Path(folder) / "peak"
        launched = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(peak), *command]
        status = subprocess.run(launched, cwd=folder, stdout=out, stderr=subprocess.STDOUT, text=True).returncode
        out.seek(0)
        text = out.read()
        if status:
            raise RuntimeError(f"{' '.join(command[:4])}: exit status {status}: {text.strip()[-300:]}")
        return Ended(int(peak.read_text()) * (1 if sys.platform == "darwin" else 1024), text)


def demo(case: Process) -> Job:
    """`jaxbm train --demo --preset classic`: the recipe that the Keras job has."""
    del case
    return _child([sys.executable, "-P", "-m", "jaxbm", "train", "--demo", "--preset", "classic"])


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
