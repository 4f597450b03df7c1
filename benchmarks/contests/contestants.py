"""Who competes in training: ourselves in several ways, and the peers.

To add a peer, write a short file under `peers/` and a line in `PEERS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from jaxbm.benchmarks.contest import Contest, Contestant, twice
from jaxbm.benchmarks.workloads import WORKLOADS

SCAN, XLA, AVX2, ONE_THREAD = "JAX scan", "jaxbm (XLA)", "jaxbm (AVX2)", "jaxbm (one thread)"
SCAN_OUR_SHUFFLE, VMAP_SCAN = "JAX scan, our shuffle", "JAX vmap of scan"
GRID, OWN_PROCESS, ONE_MEMBER = "GridSearchCV", "jaxbm (own process)", "jaxbm, one member (own process)"
KERNEL, LOOP = "jaxbm kernel", "plain 7-stream loop"
TORCH_LOOP, TORCH_FUNC, JOBLIB = "PyTorch loop", "PyTorch torch.func", "scikit-learn joblib"

OURS_TWICE = twice("peers.ours:job")
VARIANTS = {
    XLA: Contestant(XLA, "peers.ours:job", {"implementation": "xla"}),
    AVX2: Contestant(AVX2, "peers.ours:job", kernel=True, env={"JAXBM_ISA": "v3"}, separate=True, cpu_only=True),
    ONE_THREAD: Contestant(ONE_THREAD, "peers.ours:job", {"threads": 1}, kernel=True, separate=True, cpu_only=True),
}
TUNED = {"steps_per_execution": 32, "jit_compile": True}


def _keras(backend: str, name: str, options: Mapping[str, object] | None = None) -> Contestant:
    env = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    needed = tuple(dict.fromkeys(("keras", backend)))
    return Contestant(name, "peers.keras_fit:job", options or {}, needed, env=env, separate=True)


def _torch(name: str, make: str = "job", **fields: object) -> Contestant:
    return replace(Contestant(name, f"peers.torch_loop:{make}", requires=("torch",), separate=True), **fields)  # type: ignore[arg-type]


PEERS = {
    contestant.name: contestant
    for contestant in (
        Contestant(SCAN, "peers.jax_scan:job"),
        Contestant(SCAN_OUR_SHUFFLE, "peers.jax_scan:job", {"shuffle": "jaxbm"}),
        Contestant(VMAP_SCAN, "peers.jax_scan:job"),
        Contestant("JAX and Optax, step by step", "peers.optax_step:job"),
        Contestant("Flax NNX, step by step", "peers.flax_nnx:job", requires=("flax",)),
        Contestant("Equinox, step by step", "peers.equinox_step:job", requires=("equinox",)),
        _keras("tensorflow", "Keras on TensorFlow"),
        _keras("tensorflow", "Keras on TensorFlow, tuned", TUNED),
        _keras("jax", "Keras on JAX"),
        _keras("jax", "Keras on JAX, tuned", TUNED),
        _torch("PyTorch"),
        # Without Inductor's cache on disk, or a second run would tell of a first call without compilation.
        _torch("PyTorch, compiled", options={"compiled": True}, env={"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}),
        Contestant("scikit-learn", "peers.sklearn_mlp:job", requires=("sklearn",), separate=True),
        _torch(TORCH_LOOP, members=2),
        _torch(TORCH_FUNC, "ensemble"),
        Contestant(JOBLIB, "peers.sklearn_mlp:job", requires=("sklearn", "joblib"), separate=True, members=4),
    )
}
OURS_ALONE = Contestant(OWN_PROCESS, "peers.ours:job", separate=True)
FRAMEWORKS = (
    *("JAX and Optax, step by step", "Flax NNX, step by step", "Equinox, step by step", "Keras on TensorFlow"),
    *("Keras on TensorFlow, tuned", "Keras on JAX", "Keras on JAX, tuned", "PyTorch", "scikit-learn"),
)


def training(
    workload: str, title: str, others: Iterable[str], *, selections: tuple[str, ...] = ("full",), **fields: object
) -> Contest:
    """A contest of training a workload, ourselves twice (A/A) and `others` by name."""
    named = VARIANTS | PEERS
    contestants = (*OURS_TWICE, *(named[name] for name in others))
    return replace(Contest(workload, title, WORKLOADS[workload], contestants, selections), **fields)  # type: ignore[arg-type]
