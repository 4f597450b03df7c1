"""Programs: compiled once for each plan and architecture, kept on disk, and made known to the launcher.

Compiling takes seconds. It goes on in a thread of its own, while JAX traces and XLA compiles what is around it; the
first launch waits for its end.
"""

import ctypes
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from jaxbm.core import files
from jaxbm.kernels.cuda import nvrtc
from jaxbm.kernels.cuda.plan import Plan
from jaxbm.kernels.cuda.vocabulary import sources

Build = Callable[[Plan, str], bytes]
MAIN = "train.cu"
UNROLLED, UNROLLED_ON_TENSOR_CORES = (2, 4, 1), (16, 8, 4, 2)
"""How many turns of the products' loops are written out, in chunks of four: the first that spills no registers.

Without tensor cores more than two save thousands of members 2 to 4%, and cost few members up to a third, since the
code of a step no longer lies near the multiprocessor.
"""
FOLDER = "JAXBM_CACHE"
"""The variable of the environment that says where programs are kept; else it is the user's cache."""


def number(plan: Plan, architecture: str) -> int:
    """What a program is called: its source, its plan and the architecture, hashed to an int64.

    It is part of XLA's program, which may be kept on disk, too, so it is the same in every process.
    """
    return int.from_bytes(hashlib.sha256(_described(plan, architecture)).digest()[:8], signed=True)


def _described(plan: Plan, architecture: str) -> bytes:
    return repr((sorted(sources().items()), plan.defines, _unrolled(plan), architecture)).encode()


def _unrolled(plan: Plan) -> tuple[int, ...]:
    return UNROLLED_ON_TENSOR_CORES if plan.parts else UNROLLED


def build(plan: Plan, architecture: str) -> bytes:
    """The plan's cubin: from disk, or compiled and kept there.

    Raises:
      NotCompiled: the compiler is missing, or refused.
    """
    version = nvrtc.version()
    name = hashlib.sha256(_described(plan, architecture) + repr(version).encode()).hexdigest()[:40]
    kept = folder() / f"{name}.cubin"
    try:
        return kept.read_bytes()
    except OSError:
        image = compiled(plan, architecture).image
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.replace(kept, image)
    except OSError:
        pass  # a cache that can't be written is compiled for again next time
    return image


def compiled(plan: Plan, architecture: str) -> nvrtc.Compiled:
    """The kernel with its loops written out as far as the registers allow: the first that spills none, or least."""
    found, given = list[nvrtc.Compiled](), options(plan, architecture)
    for chunks in _unrolled(plan):
        found.append(nvrtc.compiled(MAIN, sources(), (*given, f"-DUNROLL_K={chunks}")))
        if not found[-1].spilled:
            break
    return min(found, key=lambda one: one.spilled)


def options(plan: Plan, architecture: str) -> tuple[str, ...]:
    """What the compiler is told."""
    return (f"--gpu-architecture={architecture}", *plan.defines)


def folder() -> Path:
    """Where programs are kept."""
    if given := os.environ.get(FOLDER):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxbm"


_begun: dict[int, threading.Thread] = {}
_lock = threading.Lock()


def begin(library: ctypes.CDLL, plan: Plan, architecture: str, build: Build) -> int:
    """See to it that the launcher gets the plan's program, and give its number; returns at once."""
    program = number(plan, architecture)
    with _lock:
        if program not in _begun:
            library.jaxbm_cuda_expect(program)
            _begun[program] = threading.Thread(
                target=_deliver, args=(library, program, plan, architecture, build), name="jaxbm-nvrtc", daemon=True
            )
            _begun[program].start()
    return program


def _deliver(library: ctypes.CDLL, program: int, plan: Plan, architecture: str, build: Build) -> None:
    image, failure = b"", ""
    try:
        image = build(plan, architecture)
    except Exception as error:  # it is told where the program is launched
        failure = str(error) or type(error).__name__
        with _lock:
            del _begun[program]  # the next run tries again
    library.jaxbm_cuda_arrived(program, image, len(image), failure.encode())


def wait() -> None:
    """Until every program that was begun is there."""
    for thread in list(_begun.values()):
        thread.join()
