"""Machine code on disk, in the folder where JAX keeps what it has compiled, if it has been given one.

A file's name is the hash of the program's text and of all that its code depends on besides, LLVM's options included;
in front of the code stands its own hash. What is damaged counts as absent, and code is linked anew in each process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import jax

from jaxbm.kernels.program import machine

_CONFIG: Any = jax.config
_DIGEST = hashlib.sha256().digest_size


def _folder() -> Path | None:
    folder = _CONFIG.jax_compilation_cache_dir
    if not folder or not _CONFIG.jax_enable_compilation_cache or "://" in str(folder):
        return None
    return Path(folder)


def _path(texts: tuple[str, ...]) -> Path | None:
    folder = _folder()
    if folder is None:
        return None
    content = "\0".join([machine.identity(), *texts])
    return folder / f"jaxbm-program-{hashlib.sha256(content.encode()).hexdigest()}"


def read(*texts: str) -> bytes | None:
    """The object file that these options and modules give; None where there is none, or not one that is whole."""
    path = _path(texts)
    try:
        data = b"" if path is None else path.read_bytes()
    except OSError:
        return None
    image = data[_DIGEST:]
    return image if image and hashlib.sha256(image).digest() == data[:_DIGEST] else None


def write(image: bytes, seconds: float, *texts: str) -> None:
    """Keep an object file that took so long to compile, if JAX would keep what took it as long."""
    path = _path(texts)
    if path is None or seconds < _CONFIG.jax_persistent_cache_min_compile_time_secs:
        return
    # A folder that can't be written to is no reason to fail; JAX itself says so.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(image).digest() + image)
            os.replace(beside, path)
        except OSError:
            os.unlink(beside)
            raise
