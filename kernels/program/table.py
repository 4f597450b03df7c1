"""The table of compiled programs, and its registration with XLA's foreign function interface.

A call names its program by the hash of its content. The handler looks it up in a table of this process, so a program
that comes from a cache on disk or from another process is either known here or an error, never a jump to an address
that was.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import threading
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxbm.kernels.program import handler, machine
from jaxbm.kernels.program.compile import NONE, Code, compile_text
from jaxbm.kernels.program.elements import itemsize
from jaxbm.kernels.program.emit import ENTRY
from jaxbm.kernels.program.entry import ENTRY_WORDS, KEPT

_lock = threading.Lock()


class Signature(NamedTuple):
    """Shapes and dtypes of a program's arguments and results."""

    arguments: tuple[tuple[tuple[int, ...], str], ...]
    results: tuple[tuple[tuple[int, ...], str], ...]


@cache
def version() -> tuple[int, int]:
    """The version of the interface that the running jaxlib speaks.

    Raises:
      RuntimeError: jaxlib's headers don't say, or it is one whose structures aren't known here.
    """
    header = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    text = header.read_text() if header.exists() else ""
    found = [re.search(rf"#define XLA_FFI_API_{part} (\d+)", text) for part in ("MAJOR", "MINOR")]
    if found[0] is None or found[1] is None:
        raise RuntimeError("jaxlib's headers don't say which foreign function interface it has")
    major, minor = int(found[0][1]), int(found[1][1])
    if major != 0:
        raise RuntimeError(f"jaxlib's foreign function interface {major}.{minor} isn't known here")
    return major, minor


class _Table:
    """The programs of this process, as the handler reads them: open addressing by hash. Nothing is ever removed."""

    def __init__(self) -> None:
        # A runtime that can't start must say so itself, before anything of ours is registered with it.
        jax.local_devices(backend="cpu")
        self._code = compile_text(handler.module(*version()), (handler.TABLE, handler.NAME), options=NONE)
        self._pointer = ctypes.c_void_p.from_address(self._code.addresses[handler.TABLE])
        self._kept: list[Any] = []
        self._entries: dict[int, Any] = {}
        self._grow(64)
        function = self._code.addresses[handler.NAME]
        capsule = jax.ffi.pycapsule(ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(function))
        jax.ffi.register_ffi_target(handler.NAME, capsule, platform="cpu")

    def _grow(self, size: int) -> None:
        words = (ctypes.c_int64 * (1 + 2 * size))()
        words[0] = size - 1
        self._kept.append(words)  # a call that runs now may still read the old one
        self._words, self._size = words, size
        for key, entry in self._entries.items():
            self._insert(key, entry)
        self._pointer.value = ctypes.addressof(words)

    def _insert(self, key: int, entry: Any) -> None:
        at = key & (self._size - 1)
        while self._words[1 + 2 * at + 1]:
            at = (at + 1) & (self._size - 1)
        self._words[1 + 2 * at] = key
        self._words[1 + 2 * at + 1] = ctypes.addressof(entry)

    def add(self, key: int, code: Code, signature: Signature, arena_bytes: int, parallel_from: int) -> None:
        """Make a program known."""
        if key in self._entries:
            return
        sides = (*signature.arguments, *signature.results)
        sizes = np.array([int(np.prod(s, dtype=np.int64)) * itemsize(d) for s, d in sides] or [0], np.int64)
        entry: Any = (ctypes.c_int64 * (ENTRY_WORDS + KEPT))()
        n_args, n_results = len(signature.arguments), len(signature.results)
        words = [key, code.addresses[ENTRY], arena_bytes, n_args, n_results, sizes.ctypes.data, parallel_from]
        entry[: len(words)] = words
        self._kept.append((code, sizes, entry))
        self._entries[key] = entry
        if 2 * len(self._entries) > self._size:
            self._grow(4 * self._size)
        else:
            self._insert(key, entry)


@cache
def _table() -> _Table:
    return _Table()


def hash_of(text: str) -> int:
    """A program's name: 64 bits of the hash of its text and of what else its machine code depends on."""
    digest = hashlib.sha256(f"{machine.identity()}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def register(key: int, code: Code, signature: Signature, *, arena_bytes: int, parallel_from: int = 2) -> None:
    """Make a compiled program known to the handler under its hash."""
    with _lock:
        _table().add(key, code, signature, arena_bytes, parallel_from)
