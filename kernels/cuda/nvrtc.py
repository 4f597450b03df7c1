"""NVIDIA's run-time compiler through ctypes: the library that comes with JAX's CUDA wheels, or the system's."""

import ctypes
import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

MAJORS = (13, 12)
"""CUDA's major versions whose compiler knows what the kernel is written in (C++20)."""


class Compiled(NamedTuple):
    """What the compiler made."""

    image: bytes
    """the cubin"""
    registers: int
    """of a thread"""
    spilled: int
    """bytes of registers that went to memory and back"""


class NotCompiled(RuntimeError):
    """The compiler is missing, or refused."""


@cache
def library() -> ctypes.CDLL:
    """The compiler's library.

    Raises:
      NotCompiled: there is none.
    """
    last: OSError | None = None
    for name in _names():
        try:
            found = ctypes.CDLL(name)
        except OSError as error:
            last = error
        else:
            found.nvrtcGetErrorString.restype = ctypes.c_char_p
            return found
    raise NotCompiled(f"NVRTC, CUDA's run-time compiler, was not found ({last}): pip install nvidia-cuda-nvrtc")


def _names() -> Iterator[str]:
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    for folder in (root / inner for root in roots for inner in (*(f"cu{n}/lib" for n in MAJORS), "cuda_nvrtc/lib")):
        for builtins in folder.glob("libnvrtc-builtins.so.*"):
            ctypes.CDLL(str(builtins))  # it is opened by its bare name later, and found since it is loaded already
        yield from (str(path) for path in sorted(folder.glob("libnvrtc.so.*")))
    yield from (f"libnvrtc.so.{n}" for n in MAJORS)


def version() -> tuple[int, int]:
    """Such as (13, 0)."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


def architectures() -> frozenset[str]:
    """Those that the compiler knows, such as "sm_90"."""
    count = ctypes.c_int()
    _check(library().nvrtcGetNumSupportedArchs(ctypes.byref(count)))
    numbers = (ctypes.c_int * count.value)()
    _check(library().nvrtcGetSupportedArchs(numbers))
    return frozenset(f"sm_{number}" for number in numbers)


def compiled(main: str, files: Mapping[str, str], options: tuple[str, ...]) -> Compiled:
    """Compile the file called `main`, which includes the others.

    Raises:
      NotCompiled: the compiler is missing, or says what is wrong.
    """
    lib, program = library(), ctypes.c_void_p()
    headers = [name for name in files if name != main]
    texts = (ctypes.c_char_p * len(headers))(*(files[name].encode() for name in headers))
    names = (ctypes.c_char_p * len(headers))(*(name.encode() for name in headers))
    source = files[main].encode()
    _check(lib.nvrtcCreateProgram(ctypes.byref(program), source, main.encode(), len(headers), texts, names))
    try:
        given = ("--std=c++20", "--device-as-default-execution-space", "--ptxas-options=-v", *options)
        code = lib.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*map(str.encode, given)))
        log = _bytes("nvrtcGetProgramLogSize", "nvrtcGetProgramLog", program).rstrip(b"\0").decode()
        if code:
            reason = next((line for line in log.splitlines() if "error" in line), _text(code))
            raise NotCompiled(f"NVRTC could not compile the kernel: {reason}")
        image = _bytes("nvrtcGetCUBINSize", "nvrtcGetCUBIN", program)
    finally:
        lib.nvrtcDestroyProgram(ctypes.byref(program))
    spilled = sum(int(number) for number in re.findall(r"(\d+) bytes spill", log))
    return Compiled(image, int((re.findall(r"Used (\d+) registers", log) or ["0"])[0]), spilled)


def _bytes(size_of: str, get: str, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(getattr(library(), size_of)(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(getattr(library(), get)(program, buffer))
    return buffer.raw


def _text(code: int) -> str:
    return library().nvrtcGetErrorString(code).decode()


def _check(code: int) -> None:
    if code:
        raise NotCompiled(f"NVRTC: {_text(code)}")
