"""All contests by name, and the selections they belong to.

To add a workload, add a line to `workloads.py` and a `training(...)` here; to add a peer, a short file under `peers/`
and a line in `PEERS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from jaxbm.benchmarks.cases import FLOPS_OF_LOSS, Operation, Process
from jaxbm.benchmarks.contest import AGAIN, OURS, Contest, Contestant, Target
from jaxbm.benchmarks.ensembles import Groups, Sweep
from jaxbm.benchmarks.workloads import WORKLOADS

from jaxbm.names import unknown

SCAN, XLA, AVX2, ONE_THREAD = "JAX scan", "jaxbm (XLA)", "jaxbm (AVX2)", "jaxbm (one thread)"
SCAN_OUR_SHUFFLE, VMAP_SCAN = "JAX scan, our shuffle", "JAX vmap of scan"
GRID, OWN_PROCESS, ONE_MEMBER = "GridSearchCV", "jaxbm (own process)", "jaxbm, one member (own process)"
KERNEL, LOOP = "jaxbm kernel", "plain 7-stream loop"
TORCH_LOOP, TORCH_FUNC, JOBLIB = "PyTorch loop", "PyTorch torch.func", "scikit-learn joblib"
SELECTIONS = {
    "quick": "five minutes: the main figures, every peer that is installed",
    "targets": "the claims, each with what was measured",
    "full": "everything",
}

OURS_TWICE = (Contestant(OURS, "peers.ours:job"), Contestant(AGAIN, "peers.ours:job"))
VARIANTS = {
    XLA: Contestant(XLA, "peers.ours:job", {"implementation": "xla"}),
    AVX2: Contestant(AVX2, "peers.ours:job", env={"JAXBM_ISA": "v3"}, separate=True, cpu_only=True),
    ONE_THREAD: Contestant(ONE_THREAD, "peers.ours:job", {"threads": 1}, separate=True, cpu_only=True),
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
        _torch("PyTorch, compiled", options={"compiled": True}),
        Contestant("scikit-learn", "peers.sklearn_mlp:job", requires=("sklearn",), separate=True),
        _torch(TORCH_LOOP, members=2),
        _torch(TORCH_FUNC, "ensemble"),
        Contestant(JOBLIB, "peers.sklearn_mlp:job", requires=("sklearn", "joblib"), separate=True, members=4),
    )
}
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


def _models() -> list[Contest]:
    both = ("quick", "targets", "full")
    return [
        training(
            "small",
            "one model 20-64-32-1, batch 32, 16,000 rows",
            (XLA, AVX2, ONE_THREAD, SCAN, SCAN_OUR_SHUFFLE),
            selections=both,
            rounds=31,
            targets=(
                Target("an epoch with shuffle, against a plain scan with jax.random.permutation", 6.5, against=SCAN),
                Target("the same against our own XLA path", 3.0, against=XLA),
                Target("our XLA path against the plain scan (at most 0.55x its time)", 1 / 0.55, "speed", XLA, SCAN),
                Target("fraction of one core's peak", 0.75, "core peak", ONE_THREAD),
                Target("seconds of compilation, at most", 1.0, "compile"),
            ),
        ),
        training(
            "tiny",
            "one model 8-16-1, batch 16, 16,000 rows",
            (XLA, AVX2, SCAN),
            selections=both,
            targets=(Target("tiny network against a plain scan", 10.0, against=SCAN),),
        ),
        training(
            "middle",
            "one model 784-128-10, batch 64, 6,400 rows",
            (XLA, AVX2, SCAN),
            selections=("targets", "full"),
            targets=(Target("784-128-10 against a plain scan", 1.6, against=SCAN),),
        ),
        training(
            "square",
            "one model 30-256-256-2, batch 256, 25,600 rows",
            (XLA, AVX2, ONE_THREAD, SCAN),
            selections=("targets", "full"),
            targets=(
                Target("30-256-256-2 against a plain scan", 1.6, against=SCAN),
                Target("fraction of one core's peak", 0.9, "core peak", ONE_THREAD),
            ),
        ),
        training(
            "wide",
            "one model 784-512-512-10, batch 128, 6,400 rows",
            (XLA, AVX2, SCAN),
            selections=both,
            targets=(Target("784-512-512-10 against a plain scan", 1.3, against=SCAN),),
        ),
    ]


def _frameworks() -> list[Contest]:
    small = replace(WORKLOADS["small"], epochs=3)
    contestants = (*OURS_TWICE, *(PEERS[name] for name in (SCAN, *FRAMEWORKS)))
    return [
        Contest(
            "frameworks",
            "one model 20-64-32-1, batch 32, in other frameworks",
            small,
            contestants,
            ("quick", "full"),
            rounds=11,
            budget=3.0,
        ),
        Contest(
            "torch-compile",
            "one model 20-64-32-1, batch 32, PyTorch eager and compiled",
            small,
            (*OURS_TWICE, PEERS["PyTorch"], PEERS["PyTorch, compiled"]),
            rounds=11,
        ),
        training(
            "small-validated",
            "time to a validation loss: 20-64-32-1, batch 32, ten epochs",
            (SCAN, "Keras on TensorFlow", "Keras on JAX", "PyTorch", "scikit-learn"),
            rounds=7,
            budget=5.0,
        ),
    ]


def _members() -> list[Contest]:
    claimed = ("targets", "full")
    shared = [
        training(
            f"members-{count}-shared",
            f"{count:,} members of 20-64-32-1, the same batches for all",
            (VMAP_SCAN,),
            selections=("quick", *claimed) if count == 64 else claimed,
            rounds=5,
            targets=(Target(f"{count:,} members, shared batches, against vmap of scan", 4.5, against=VMAP_SCAN),),
        )
        for count in (64, 1_024)
    ]
    return [
        *shared,
        training(
            "members-64",
            "64 members of 20-64-32-1, each with its own shuffle",
            (VMAP_SCAN, TORCH_LOOP, TORCH_FUNC, JOBLIB),
            selections=("quick", *claimed),
            rounds=7,
            targets=(Target("64 members, own shuffles, against vmap of scan", 12.0, against=VMAP_SCAN),),
        ),
        training(
            "members-1000",
            "1,000 members of 20-64-32-1, each with its own shuffle",
            (VMAP_SCAN, TORCH_LOOP, TORCH_FUNC, JOBLIB),
            selections=claimed,
            rounds=3,
            least=1,
            warm_up=0,
            targets=(
                Target("1,000 members against vmap of scan", 10.0, against=VMAP_SCAN),
                Target("1,000 members against a PyTorch loop", 100.0, against=TORCH_LOOP),
                Target("1,000 members against torch.func", 20.0, against=TORCH_FUNC),
                Target("1,000 members against joblib over scikit-learn", 50.0, against=JOBLIB),
            ),
        ),
    ]


def _unlike() -> list[Contest]:
    """Members that differ in rows, numbers of rows and widths."""
    groups = (
        Contestant(OURS, "peers.groups:ours", feature="fit_groups"),
        Contestant(AGAIN, "peers.groups:ours", feature="fit_groups"),
        Contestant("loop of compiled fits", "peers.groups:compiled_loop", members=12),
        Contestant(
            "scikit-learn loop", "peers.groups:sklearn_loop", requires=("sklearn",), separate=True, members=40
        ),
    )
    sweep = (
        Contestant(OURS, "peers.sweep:ours", feature="fit_members"),
        Contestant(AGAIN, "peers.sweep:ours", feature="fit_members"),
        Contestant(GRID, "peers.sweep:grid_search", requires=("sklearn",), separate=True, members=8),
    )
    return [
        Contest(
            "groups",
            "a model 8-16-1 for each of 10,000 groups of 20 to 200 rows, ten epochs",
            Groups(10_000),
            groups,
            ("targets", "full"),
            rounds=5,
            curve_tolerance=0.2,
            targets=(
                Target("10,000 groups against a loop over scikit-learn", 100.0, against="scikit-learn loop"),
                Target("10,000 groups against a loop over compiled fits", 20.0, against="loop of compiled fits"),
            ),
        ),
        Contest(
            "sweep",
            "200 points x 5 folds on digits, ten epochs, widths 16 to 100",
            Sweep(200),
            sweep,
            ("targets", "full"),
            rounds=3,
            curve_tolerance=0.3,
            targets=(Target("a sweep of 200 points x 5 folds against GridSearchCV", 30.0, against=GRID),),
        ),
    ]


def _many() -> Contest:
    """Ten thousand members: is the time per member-step what it is for fewer, and what do they need of memory?"""
    fewer = tuple(replace(OURS_TWICE[0], name=f"jaxbm, {n:,} members", members=n) for n in (64, 1_000))
    alone = [replace(OURS_TWICE[0], name=name, separate=True) for name in (OWN_PROCESS, ONE_MEMBER)]
    return Contest(
        "scaling-10000",
        "10,000 members of 20-64-32-1",
        WORKLOADS["scaling-10000"],
        (OURS_TWICE[0], *fewer, alone[0], replace(alone[1], members=1)),
        ("targets", "full"),
        rounds=3,
        least=1,
        warm_up=0,
        curve_tolerance=0.3,
        targets=(
            Target("time per member-step of 10,000 members, that of 64 over it", 0.87, against="jaxbm, 64 members"),
            Target("GiB that 10,000 members add to a process with one", 2.0, "more memory", OWN_PROCESS, ONE_MEMBER),
        ),
    )


def _scaling() -> list[Contest]:
    batches = [
        training(f"batch-{size}", f"20-64-32-1, batch {size:,}", (SCAN,), rounds=7)
        for size in (1, 8, 32, 128, 512, 4_096)
    ]
    widths = [
        training(f"width-{width}", f"64-{width}-{width}-1, batch 128", (SCAN,), rounds=7)
        for width in (16, 64, 256, 1_024)
    ]
    members = [
        training(f"scaling-{count}", f"{count:,} members of 20-64-32-1", (), rounds=3, least=1)
        for count in (1, 2, 8, 64, 512)
    ]
    one = Contestant("jaxbm, 1 thread", "peers.ours:job", {"threads": 1}, separate=True, cpu_only=True)
    limits = [replace(one, name=f"jaxbm, {n} threads", options={"threads": n}) for n in (2, 4, 8, 16)]
    threads = Contest(
        "threads",
        "64 members of 20-64-32-1 by number of threads",
        WORKLOADS["members-64"],
        (*OURS_TWICE, one, *limits),
        rounds=5,
    )
    return [*batches, *widths, *members, _many(), threads]


def _operation(
    name: str, title: str, case: Operation, make: str, options: dict[str, dict[str, str]], **fields: object
) -> Contest:
    first, *others = options.items()
    entries = [Contestant(first[0], make, first[1]), Contestant(AGAIN, make, first[1])]
    entries += [Contestant(other, make, chosen) for other, chosen in others]
    return replace(Contest(name, title, case, tuple(entries), rounds=31, budget=2.0, curve_tolerance=None), **fields)  # type: ignore[arg-type]


def _operations() -> list[Contest]:
    pair = {OURS: {"library": "jaxbm"}, "Optax": {"library": "optax"}}
    found = [
        _operation(
            f"permutation-{n}",
            f"a random order of {n:,} rows",
            Operation("permutation", (n,)),
            "operations.elementwise:permutation",
            {OURS: {"library": "jaxbm"}, "jax.random": {"library": "jax"}},
            selections=("quick", "targets", "full") if n == 16_000 else ("full",),
            targets=(Target("permutation of 16,000 rows against jax.random.permutation", 20.0, against="jax.random"),)
            if n == 16_000
            else (),
        )
        for n in (1_000, 16_000, 1_000_000)
    ]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(FLOPS_OF_LOSS, (1_000_000,))
    for name, shape in (shapes | {"softmax_cross_entropy_with_integer_labels": (100_000, 10)}).items():
        title = f"{name}, value and gradient, {shape}"
        found.append(_operation(name, title, Operation(name, shape), "operations.elementwise:loss", pair))
    for optimizer in ("adam", "adamw"):
        for n in (1_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000):
            if optimizer == "adam" or n == 10_000_000:
                found.append(_optimizer(optimizer, n, pair))
    return found


def _optimizer(name: str, n: int, pair: dict[str, dict[str, str]]) -> Contest:
    claimed = name == "adam" and n in (10_000_000, 50_000_000)
    contest = _operation(
        f"{name}-{n}",
        f"one step of {name}, {n:,} parameters, donated",
        Operation(name, (n,)),
        "operations.optimizers:update",
        pair,
        selections=("targets", "full") if claimed else ("full",),
        targets=(
            Target(f"Adam, {n:,} parameters, against Optax", 1.5, of=KERNEL, against="Optax"),
            Target(f"Adam, {n:,} parameters, share of a plain loop's bandwidth", 0.85, of=KERNEL, against=LOOP),
        )
        if claimed
        else (),
    )
    kernel = Contestant(
        KERNEL, "operations.optimizers:update", {"library": "kernel"}, feature="kernels.adam_update", cpu_only=True
    )
    loop = Contestant(LOOP, "operations.optimizers:seven_streams", cpu_only=True)
    return replace(contest, contestants=(*contest.contestants, kernel, loop))


def _passes() -> list[Contest]:
    sizes, found = (20, 64, 32, 1), []
    for rows in (1, 32, 16_000):
        found.append(
            Contest(
                f"predict-{rows}",
                f"predictions for {rows:,} rows, 20-64-32-1",
                Operation("predict", (rows,), sizes),
                (
                    Contestant(OURS, "operations.network:predict"),
                    Contestant(AGAIN, "operations.network:predict"),
                    Contestant("JAX apply", "operations.network:apply_rows"),
                    Contestant("scikit-learn", "operations.network:sklearn_predict", requires=("sklearn",)),
                ),
                ("quick", "full") if rows != 32 else ("full",),
                rounds=101,
                budget=1.0,
                curve_tolerance=None,
            )
        )
    for name in ("forward", "backward"):
        for widths in (sizes, (784, 512, 512, 1)):
            case = Operation(name, (4_096,), widths)
            title = f"{name} pass of 4,096 rows, {'-'.join(map(str, widths))}"
            entries = tuple(Contestant(n, f"operations.network:{name}") for n in (OURS, AGAIN))
            found.append(Contest(f"{name}-{widths[1]}", title, case, entries, budget=2.0, curve_tolerance=None))
    return found


def _tables_and_metrics() -> list[Contest]:
    found = []
    for name in ("roc_auc", "average_precision"):
        case = Operation(name, (100_000,))
        entries = (*(Contestant(n, "operations.metrics:ours") for n in (OURS, AGAIN)),)
        peer = Contestant("scikit-learn", "operations.metrics:sklearn", requires=("sklearn",))
        found.append(Contest(name, f"{name} of 100,000 scores", case, (*entries, peer), curve_tolerance=None))
    needed = ("pandas", "sklearn")
    entries = tuple(Contestant(n, "operations.tables:ours", requires=needed) for n in (OURS, AGAIN))
    peer = Contestant("scikit-learn", "operations.tables:sklearn", requires=needed)
    case = Operation("table", (100_000,))
    title = "preparation of a table of 100,000 rows, 10 numbers and 4 words"
    found.append(Contest("table", title, case, (*entries, peer), rounds=5, curve_tolerance=None))
    return found


def _processes() -> list[Contest]:
    ours = "operations.processes:demo"
    keras = Contestant("Keras on TensorFlow", "operations.processes:keras_demo", requires=("keras", "tensorflow"))
    start = "operations.processes:statement"
    imports = {OURS: "import jaxbm", AGAIN: "import jaxbm", "jax and optax": "import jax, optax"}
    return [
        Contest(
            "demo",
            "`jaxbm train --demo` from shell to report, and the same job in Keras",
            Process("demo"),
            (Contestant(OURS, ours), Contestant(AGAIN, ours), keras),
            ("targets", "full"),
            rounds=5,
            budget=60.0,
            curve_tolerance=None,
            targets=(
                Target("the whole command in at most half of Keras's wall time", 2.0, against="Keras on TensorFlow"),
                Target("and at most half of its memory", 2.0, "memory", against="Keras on TensorFlow"),
            ),
        ),
        Contest(
            "import",
            "a process that only imports",
            Process("import"),
            tuple(Contestant(name, start, {"code": code}) for name, code in imports.items()),
            ("quick", "full"),
            rounds=5,
            budget=10.0,
            curve_tolerance=None,
        ),
    ]


@cache
def contests() -> dict[str, Contest]:
    """Every contest by name, in the order in which they run."""
    parts: Sequence[list[Contest]] = (
        *(
            _models(),
            _members(),
            _unlike(),
            _frameworks(),
            _operations(),
            _passes(),
            _tables_and_metrics(),
            _processes(),
        ),
        _scaling(),
    )
    return {contest.name: contest for part in parts for contest in part}


def find(name: str) -> Contest:
    """A contest by name.

    Raises:
      ValueError: there is none; suggests the nearest.
    """
    try:
        return contests()[name]
    except KeyError:
        raise unknown("contest", name, list(contests())) from None


def select(names: Sequence[str]) -> list[Contest]:
    """Contests of selections and contests by name, each once.

    Raises:
      ValueError: a name is neither.

    Example:
      >>> [contest.name for contest in select(["permutation-16000"])]
      ['permutation-16000']
    """
    chosen: dict[str, Contest] = {}
    for name in names:
        if name not in SELECTIONS and name not in contests():
            raise unknown("only", name, [*SELECTIONS, *contests()])
        found = [c for c in contests().values() if name in c.selections] if name in SELECTIONS else [find(name)]
        chosen |= {contest.name: contest for contest in found}
    return list(chosen.values())
