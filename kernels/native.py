"""Finds, loads and registers the compiled CPU kernels, and says why where it can't.

The library is plain C++ behind XLA's foreign function interface, compiled when jaxbm is installed. It is looked for
only when a training run first asks, since registering it starts JAX's CPU backend. Processes that use it may start
threads and other processes ("spawn"), but, as anything in JAX, must not fork once a computation ran.
"""

import ctypes
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import jax

from jaxbm.core import forks

LIBRARY = "lib/jaxbm_cpu.so"
TARGETS = ("jaxbm_train", "jaxbm_apply", "jaxbm_adam", "jaxbm_permutation")
LATER = ("jaxbm_along", "jaxbm_shifted")
"""Targets that a library compiled from an earlier version lacks; all else of it still serves."""
KINDS = ("activation", "loss", "optimizer")


class Native(NamedTuple):
    """Whether the compiled kernels can be called."""

    isa: str | None
    """the instruction set they were compiled for: "v4_amx" (AVX-512 with AMX), "v4" (AVX-512), "v3" (AVX2), "v2" or
    "generic" """
    reason: str | None
    """why they can't be called; None where they can"""


Names = dict[str, tuple[str, ...]]


def native() -> Native:
    """Load the library, once. Never raises: a reason comes back instead."""
    return _loaded()[0]


def knows(target: str) -> bool:
    """Whether the library that was loaded has a target."""
    return target in _loaded()[2]


def names(kind: str) -> tuple[str, ...]:
    """What the kernels know of a kind, "activation", "loss" or "optimizer", in the order of their codes."""
    return _loaded()[1].get(kind, ())


def code(kind: str, name: str | None) -> int | None:
    """What the kernels call an activation, loss or optimizer; None where they don't know it."""
    known = names(kind)
    return known.index(name) if name in known else None


def library() -> ctypes.CDLL | None:
    """The library itself; None where there is none."""
    return _loaded()[3]


@lru_cache(maxsize=1)
def _loaded() -> tuple[Native, Names, frozenset[str], ctypes.CDLL | None]:
    found = next((path for path in places(LIBRARY) if path.exists()), None)
    if found is None:
        reason = "the kernels were not compiled when jaxbm was installed (no C++ compiler was found)"
        return Native(None, reason), {}, frozenset(), None
    try:
        # A runtime that can't start must say so itself, before anything of ours is registered with it.
        jax.local_devices(backend="cpu")
        forks.note()
    except RuntimeError as error:
        return Native(None, f"JAX has no CPU backend here ({error})"), {}, frozenset(), None
    try:
        loaded = ctypes.CDLL(str(found))
        loaded.jaxbm_isa.restype = loaded.jaxbm_names.restype = ctypes.c_char_p
        known = {kind: tuple(loaded.jaxbm_names(kind.encode()).decode().split()) for kind in KINDS}
        present = (*TARGETS, *(name for name in LATER if hasattr(loaded, name)))
        handlers = {name: jax.ffi.pycapsule(getattr(loaded, name)) for name in present}  # all of them, or none
        for name, handler in handlers.items():
            jax.ffi.register_ffi_target(name, handler, platform="cpu")
    except Exception as error:
        return Native(None, f"the compiled kernels could not be loaded: {error}"), {}, frozenset(), None
    return Native(loaded.jaxbm_isa().decode().removeprefix("kernels_"), None), known, frozenset(present), loaded


def places(library: str) -> Iterator[Path]:
    """Where a compiled library may be: beside this module; and where jaxbm is installed, for code of a checkout or of
    an editable installation."""
    yield Path(__file__).parent / library
    try:
        yield Path(str(metadata.distribution("jaxbm").locate_file(f"jaxbm/kernels/{library}")))
    except metadata.PackageNotFoundError:
        return
