"""Programs compiled for accelerators that need not be there, and what their host would have to do."""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jax
from jax.experimental import topologies
from jax.sharding import AbstractMesh, AxisType, SingleDeviceSharding

PACKAGES = ("jax-cuda13-plugin", "jax-cuda13-pjrt")
#: What XLA asks of a device of compute capability 9.0: NVIDIA's data sheet of the H100 SXM.
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  shared_memory_per_block: 49152 shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  registers_per_core_limit: 65536 registers_per_block_limit: 65536 device_address_bits: 64
  memory_bandwidth: 3350000000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 85520809984
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  device_vendor: "NVIDIA Corporation" name: "NVIDIA H100" platform_version: "Compute Capability 9.0a"
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.10.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
device_description_str: "NVIDIA H100"
"""


def tpu_missing():
    """Why nothing can be compiled for a TPU here; None where it can."""
    return None if importlib.util.find_spec("libtpu") else "libtpu is not installed; `nox -s ahead` brings it"


class ForTpu(NamedTuple):
    """A program for a TPU: bytes of temporaries, on the device and on its host, and its text."""

    temporaries: int
    of_host: int
    text: str


def compiled_for_a_tpu(topology, function, *shapes):
    """The function, compiled for a chip of a topology such as "v5e:2x2"; arguments are shapes and dtypes."""
    alone = {"TPU_SKIP_MDS_QUERY": "1", "TPU_ACCELERATOR_TYPE": "v5litepod-4", "TPU_WORKER_HOSTNAMES": "localhost"}
    with mock.patch.dict(os.environ, alone), mock.patch.object(jax, "default_backend", return_value="tpu"):
        device = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices[0]
        placed = SingleDeviceSharding(device)
        args = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=placed), shapes)
        program = jax.jit(function).trace(*args).lower(lowering_platforms=("tpu",)).compile()
    used = program.memory_analysis()
    return ForTpu(used.temp_size_in_bytes, used.host_temp_size_in_bytes, program.as_text())


def missing():
    """Why nothing can be compiled for a GPU here; None where it can."""
    for name in PACKAGES:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return f"{name} is not installed; `nox -s ahead` brings it"
        if found != jax.__version__:
            return f"{name} is of version {found}, JAX of {jax.__version__}"
    return None


class Thunk(NamedTuple):
    """Something that the host launches: its kind, its name, and what is inside of it."""

    kind: str
    name: str
    inside: list


class Compiled(NamedTuple):
    """A program for a GPU: bytes of temporaries, and the thunks of its entry."""

    temporaries: int
    thunks: list


def compiled_for_a_gpu(function, *shapes):
    """The function, compiled for an H100; arguments are shapes and dtypes."""
    from jax._src.mesh import AbstractDevice

    device = topologies.get_topology_desc(platform="cuda", target_config=H100, topology="1x1x1").devices[0]
    placed = SingleDeviceSharding(device)
    args = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=placed), shapes)
    mesh = AbstractMesh((1,), ("x",), (AxisType.Auto,), abstract_device=AbstractDevice("NVIDIA H100", 132, "cuda"))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(mock.patch.object(jax, "default_backend", return_value="gpu"))
        stack.enter_context(jax.sharding.use_abstract_mesh(mesh))
        lowered = jax.jit(function).trace(*args).lower()
        program = lowered.compile(compiler_options={"xla_dump_to": folder, "xla_dump_hlo_as_text": True})
        (told,) = Path(folder).glob("*.thunk_sequence_after_thunk_passes.txt")
        return Compiled(program.memory_analysis().temp_size_in_bytes, _parsed(told.read_text()))


def _parsed(text):
    """The tree of thunks; the parts of a loop are thunks "condition" and "body", those of a branch "branch"."""
    root = Thunk("root", "", [])
    stack, loops = [(-1, root)], []
    for line in text.splitlines():
        indent, word = len(line) - len(line.lstrip()), line.strip()
        if word in ("condition:", "body:") and loops:
            loop_indent, loop = loops[-1]
            loop.inside.append(part := Thunk(word[:-1], "", []))
            stack = [(i, t) for i, t in stack if i <= loop_indent] + [(loop_indent + 1, part)]
        elif word.endswith(":") and word:  # of a conditional
            stack = [(i, t) for i, t in stack if i < indent]
            stack[-1][1].inside.append(part := Thunk("branch", word, []))
            stack.append((indent, part))
        elif found := re.match(r"\d+: (k\w+)\s+(?:\[[^]]*\])?\s*(\S*)", word):
            stack = [(i, t) for i, t in stack if i < indent]
            stack[-1][1].inside.append(thunk := Thunk(found[1], found[2], []))
            stack.append((indent, thunk))
            if found[1] == "kWhile":
                loops.append((indent, thunk))
    return root.inside


def every(thunks):
    """All thunks, those inside of others too."""
    for thunk in thunks:
        yield thunk
        yield from every(thunk.inside)


def bodies(thunks):
    """The body of every loop, outer ones first."""
    return [
        part.inside
        for thunk in every(thunks)
        if thunk.kind == "kWhile"
        for part in thunk.inside
        if part.kind == "body"
    ]


def leaves(thunks):
    """Thunks with nothing inside of them: kernels, copies."""
    return [thunk for thunk in every(thunks) if not thunk.inside and thunk.kind.startswith("k")]


def has_products(thunks):
    """Whether a matrix product is among these and those inside of them."""
    return any("dot" in thunk.name or "gemm" in thunk.name.lower() or "Gemm" in thunk.kind for thunk in every(thunks))
