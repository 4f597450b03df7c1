"""Files that an interruption never leaves half written."""

import contextlib
import glob
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np

from jaxbm.core.device import placed

STALE = 3600.0
"""Seconds after which a file that was never finished is nobody's any more."""


def write(path: pathlib.Path, writer: Callable[[BinaryIO], Any]) -> None:
    """Call `writer` on a new file beside `path` and give it that name: readers see the old content or the new, also
    where several write to it at once."""
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        with open(beside, "wb") as file:
            writer(file)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    for left in path.parent.glob(glob.escape(path.name) + ".*partial"):
        with contextlib.suppress(OSError):  # another one may be about to give it its name
            if time.time() - left.stat().st_mtime > STALE:
                left.unlink()


@contextlib.contextmanager
def exclusive(folder: pathlib.Path) -> Iterator[None]:
    """Nobody else who asks for the same folder, in whatever process or thread, goes on meanwhile.

    Where the system or the file system knows no such locks, everybody does.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(path: pathlib.Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    write(path, lambda file: file.write(data))


def bits(array: Any) -> np.ndarray:
    """The array on the host; NumPy's file formats know no bfloat16, so its bits travel as integers."""
    host = np.asarray(array, order="C")
    return host.view(np.uint16) if host.dtype == jnp.bfloat16 else host


def from_bits(host: np.ndarray, dtype: Any) -> Any:
    """The inverse of `bits`, on the device, where numbers like those of `dtype` are wanted: unsigned integers among
    floating-point numbers are the bits of bfloat16, whatever precision is wanted."""
    is_bits = host.dtype == np.uint16 and jnp.issubdtype(dtype, jnp.floating)
    return placed(host.view(jnp.bfloat16) if is_bits else host)
