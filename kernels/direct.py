"""Calls of compiled kernels without JAX, from NumPy's arrays: dispatching a call takes longer than a step of a small
network.

There are no threads but the caller's, nothing is compiled, and no JAX runtime is touched.
"""

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from jaxbm.kernels.calls import Attributes
from jaxbm.kernels.native import library

DTYPES = {np.dtype("int32"): 4, np.dtype("uint32"): 8, np.dtype("float32"): 11}
"""As XLA's foreign function interface numbers them."""
Shape = tuple[np.dtype[Any], tuple[int, ...]]
"""dtype and lengths of a buffer's axes"""
MOST_FLOPS = 2e7
"""A call of more operations gains by a second thread what JAX's dispatch costs."""


class Call:
    """A kernel's call that was described; made as often as one likes, by any thread.

    Args:
      made: the library's own description.
      count: of its buffers.
    """

    def __init__(self, made: int, count: int):
        # Packed they are one object for `ctypes`; an array of pointers takes it longer than some kernels.
        self._made, self._packed = ctypes.c_void_p(made), struct.Struct(f"={count}Q").pack
        self._run, self._free = _functions()

    def __call__(self, *addresses: int) -> None:
        """Make it, with the addresses of arguments and results; the caller keeps the arrays, contiguous all of them.

        Raises:
          ValueError: the kernel says what doesn't fit.
        """
        self._call(self._packed(*addresses))

    def bound(self, *addresses: int) -> Callable[[], None]:
        """A function that makes it with these addresses, see `__call__`."""
        return partial(self._call, self._packed(*addresses))

    def _call(self, packed: bytes) -> None:
        told = self._run(self._made, packed)
        if told is not None:
            raise ValueError(told.decode())

    def __del__(self) -> None:
        self._free(self._made)


@lru_cache(maxsize=1024)
def call(
    target: str, attributes: Attributes, arguments: tuple[Shape, ...], results: tuple[Shape, ...]
) -> Call | None:
    """A call of a kernel; None where the library has no such calls.

    Args:
      target: the registered name.
      attributes: `(name, value)` pairs; values are integers, or tuples of them.
      arguments, results: the buffers in order. Results at the places of state may have its addresses.
    """
    loaded = library()
    if loaded is None or not hasattr(loaded, "jaxbm_direct_call"):
        return None
    told: list[int] = []
    for dtype, shape in (*arguments, *results):
        told += [DTYPES[dtype], len(shape), *shape]
    for _, value in attributes:
        told += [len(value), *value] if isinstance(value, tuple) else [-1, value]
    make = loaded.jaxbm_direct_call
    make.restype = ctypes.c_void_p
    names = "".join(f"{name} " for name, _ in attributes).encode()
    counts = ctypes.c_int64(len(arguments)), ctypes.c_int64(len(results))
    made = make(target.encode(), *counts, names, (ctypes.c_int64 * len(told))(*told))
    return None if made is None else Call(made, len(arguments) + len(results))


@lru_cache(maxsize=1)
def _functions() -> tuple[Any, Any]:
    """What makes a call, and what gives up its description."""
    loaded: Any = library()
    run, free = loaded.jaxbm_direct_run, loaded.jaxbm_direct_free
    run.restype, run.argtypes = ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_void_p]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    return run, free


def shape_of(array: np.ndarray) -> Shape:
    """A buffer like the array."""
    return array.dtype, array.shape


def address(array: np.ndarray) -> int:
    """Where a contiguous array begins."""
    if array.flags.writeable and array.size:  # sooner than what any array tells
        buffer: Any = array
        return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    return array.__array_interface__["data"][0]


def addresses(arrays: Sequence[np.ndarray]) -> list[int]:
    """Where contiguous arrays begin."""
    return [address(array) for array in arrays]
