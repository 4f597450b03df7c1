"""The GPU, its driver and the compiled launcher: what is here, and what is missing."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax

from jaxbm.kernels.cuda import nvrtc, programs
from jaxbm.kernels.cuda.cards import OLDEST, capability
from jaxbm.kernels.cuda.plan import Plan
from jaxbm.kernels.native import places

LIBRARY = "lib/jaxbm_cuda.so"
TARGET = "jaxbm_cuda_train"
DRIVER_AT_LEAST = 12000
"""CUDA 12: what JAX's own wheels need at least."""


@dataclass(frozen=True)
class Machine:
    """Where programs run, and who makes them.

    Args:
      platform: JAX's name of the platform whose arrays they take.
      architecture: such as "sm_90".
      build: the image of a plan for an architecture, slowly.
    """

    platform: str
    architecture: str
    build: Callable[[Plan, str], bytes] = programs.build


@cache
def launcher() -> ctypes.CDLL | str:
    """The compiled library that launches programs, known to XLA; or why there is none."""
    found = next((path for path in places(LIBRARY) if path.exists()), None)
    if found is None:
        return "the launcher was not compiled when jaxbm was installed (no C++ compiler was found, or not on Linux)"
    try:
        library = ctypes.CDLL(str(found))
        handler = jax.ffi.pycapsule(library.jaxbm_cuda_train)
        jax.ffi.register_ffi_target(TARGET, handler, platform="CUDA")
    except (OSError, AttributeError) as error:
        return f"the launcher could not be loaded: {error}"
    library.jaxbm_cuda_arrived.argtypes = [ctypes.c_int64, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p]
    library.jaxbm_cuda_expect.argtypes = [ctypes.c_int64]
    library.jaxbm_cuda_driver.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.jaxbm_cuda_set_driver.argtypes = [ctypes.c_char_p]
    return library


ELSEWHERE = "sm_90"
"""The architecture for which it is told what the kernel could do, where there is no GPU."""


@cache
def machine() -> Machine | str:
    """The GPU that JAX computes on, or why nothing can be launched there."""
    if jax.default_backend() != "gpu":
        return f"JAX's default backend here is {jax.default_backend()}, and the kernel is for NVIDIA GPUs"
    found = _architecture()
    if found is None:
        return f"the kernel is for NVIDIA GPUs, and this one is {jax.devices()[0].device_kind}"
    return _checked(found)


def architecture() -> str:
    """The GPU's, such as "sm_90", even if nothing can be launched there."""
    found = machine()
    if isinstance(found, Machine):
        return found.architecture
    return _architecture() or ELSEWHERE


def _architecture() -> str | None:
    described = str(getattr(jax.devices()[0], "compute_capability", ""))
    is_number = "." in described and described.replace(".", "").isdigit()
    return f"sm_{described.replace('.', '')}" if is_number else None


def _checked(architecture: str) -> Machine | str:
    if capability(architecture) < OLDEST:
        return f"the kernel needs compute capability {OLDEST / 10}, and this GPU has {capability(architecture) / 10}"
    library = launcher()
    if isinstance(library, str):
        return library
    if (reason := driver_missing(library)) is not None:
        return reason
    try:
        known = nvrtc.architectures()
    except nvrtc.NotCompiled as error:
        return str(error)
    if architecture not in known:
        return f"NVRTC {'.'.join(map(str, nvrtc.version()))} does not know this GPU's architecture, {architecture}"
    return Machine("cuda", architecture)


def driver_missing(library: ctypes.CDLL) -> str | None:
    """Why the CUDA driver can't be used; None where it can."""
    why = ctypes.create_string_buffer(1024)
    version = library.jaxbm_cuda_driver(why, len(why))
    if not version:
        return why.value.decode()
    if version < DRIVER_AT_LEAST:
        return f"the CUDA driver is too old: it is for CUDA {_cuda(version)}, and {_cuda(DRIVER_AT_LEAST)} is needed"
    return None


def _cuda(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"
