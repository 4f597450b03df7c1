"""Files that an interruption never leaves half written."""

import os
import pathlib
from collections.abc import Callable
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np

from jaxbm.core.device import placed


def folder_path(folder: Any) -> pathlib.Path:
    """`folder` as a path; TypeError where it is none."""
    try:
        return pathlib.Path(folder)
    except TypeError:
        raise TypeError(f"folder: expected a path, got {type(folder).__name__}") from None


def write(path: pathlib.Path, writer: Callable[[BinaryIO], Any]) -> None:
    """Call `writer` on a new file beside `path` and give it that name: readers see the old content or the new."""
    beside = path.with_name(path.name + ".partial")
    try:
        with open(beside, "wb") as file:
            writer(file)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


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
