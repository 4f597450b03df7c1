"""The CUDA kernel without a GPU: its source compiled as C++, behind a driver that runs it."""

import ctypes
import hashlib
import pathlib
import shutil
import subprocess

import jax

from jaxbm.kernels.cuda import machine, programs
from jaxbm.kernels.cuda.vocabulary import DEVICE, sources

SOURCES = pathlib.Path(__file__).parents[2] / "kernels/cuda/tests"
COMPILER = shutil.which("g++")
FLAGS = (
    "-std=c++20",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-pthread",
    f"-I{DEVICE}",
    f"-I{SOURCES}",
)


def compiled(source, out, *flags):
    subprocess.run([COMPILER, *FLAGS, *flags, str(SOURCES / source), "-o", str(out)], check=True)
    return out


class Emulation:
    """A GPU of our own: a `Machine` whose programs are shared libraries in `folder`."""

    def __init__(self, folder, architecture="sm_90"):
        self.folder, self.architecture = pathlib.Path(folder), architecture
        path = compiled("fake_driver.cc", self.folder / "driver.so", "-shared", "-fPIC", "-ldl")
        self.driver = ctypes.CDLL(str(path))
        self.driver.fake_counts.restype = ctypes.POINTER(ctypes.c_int)
        self.driver.fake_failing.argtypes = [ctypes.c_char_p]
        self.library = machine.launcher()
        handler = jax.ffi.pycapsule(self.library.jaxbm_cuda_train_emulated)
        jax.ffi.register_ffi_target(machine.TARGET, handler, platform="cpu")
        self.library.jaxbm_cuda_set_driver(str(path).encode())
        self.built = []

    def machine(self):
        return machine.Machine("cpu", self.architecture, self.build)

    def build(self, plan, architecture):
        """The image of a plan: its library's path. Quickly compiled, since it runs but for a moment."""
        name = hashlib.sha256(repr((sorted(sources().items()), plan.defines)).encode()).hexdigest()[:16]
        path = self.folder / f"{name}.so"
        self.built.append(plan)
        if not path.exists():
            compiled("emulate.cc", path, "-O1", "-mfma", "-ffp-contract=off", "-shared", "-fPIC", *plan.defines)
        return b"EMULATION" + str(path).encode() + b"\0"

    def counts(self):
        """Programs loaded, launches, contexts that are still pushed."""
        return tuple(self.driver.fake_counts()[:3])

    def close(self):
        programs.wait()
