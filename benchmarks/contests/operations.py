"""Single operations, passes through a network, tables and whole processes."""

from __future__ import annotations

from dataclasses import replace

from jaxbm.benchmarks import work
from jaxbm.benchmarks.cases import FLOPS_OF_LOSS, Operation, Process
from jaxbm.benchmarks.contest import Contest, Contestant, Target, twice
from jaxbm.benchmarks.contests.contestants import KERNEL, LOOP


def _operation(
    name: str, title: str, case: Operation, make: str, peer: str, library: str, **fields: object
) -> Contest:
    """Ours against a peer: what `make` gives for "jaxbm" and for the peer's library."""
    entries = *twice(make, {"library": "jaxbm"}), Contestant(peer, make, {"library": library})
    return replace(Contest(name, title, case, entries, rounds=31, budget=2.0, curve_tolerance=None), **fields)  # type: ignore[arg-type]


def operations() -> list[Contest]:
    found = [
        _operation(
            f"permutation-{n}",
            f"a random order of {n:,} rows",
            Operation("permutation", (n,)),
            "operations.elementwise:permutation",
            "jax.random",
            "jax",
            selections=("quick", "targets", "full") if n == 16_000 else ("full",),
            targets=(Target("permutation of 16,000 rows against jax.random.permutation", 20.0, against="jax.random"),)
            if n == 16_000
            else (),
        )
        for n in (1_000, 16_000, 1_000_000)
    ]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(FLOPS_OF_LOSS, (1_000_000,))
    for name, shape in (shapes | {"softmax_cross_entropy_with_integer_labels": (100_000, 10)}).items():
        size = " x ".join(f"{n:,}" for n in shape)
        title = f"{name.replace('_', ' ')}, value and gradient, {size}"
        found.append(_operation(name, title, Operation(name, shape), "operations.elementwise:loss", "Optax", "optax"))
    sizes = (1_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000)
    # Adam at 50 million parameters is a claim; between 10 and 100 million nothing else changes.
    found += [_optimizer("adam", n) for n in sizes]
    found += [_optimizer("adamw", n) for n in sizes if n != 50_000_000]
    return found


def _optimizer(name: str, n: int) -> Contest:
    claimed = name == "adam" and n in (10_000_000, 50_000_000)
    contest = _operation(
        f"{name}-{n}",
        f"one step of {name}, {n:,} parameters, donated",
        Operation(name, (n,)),
        "operations.optimizers:update",
        "Optax",
        "optax",
        selections=("targets", "full") if claimed else ("full",),
        targets=(
            Target(f"Adam, {n:,} parameters, against Optax", 1.5, of=KERNEL, against="Optax"),
            Target(f"Adam, {n:,} parameters, share of a plain loop's bandwidth", 0.85, of=KERNEL, against=LOOP),
        )
        if claimed
        else (),
    )
    # Four contestants hold gradient, parameters and two moments, the loop four arrays; Optax's updates come on top.
    memory = 22.0 * work.FLOAT * n
    kernel = Contestant(KERNEL, "operations.optimizers:update", {"library": "kernel"}, kernel=True, cpu_only=True)
    loop = Contestant(LOOP, "operations.optimizers:seven_streams", cpu_only=True)
    return replace(contest, contestants=(*contest.contestants, kernel, loop), memory=memory)


def passes() -> list[Contest]:
    sizes, found = (20, 64, 32, 1), []
    for rows in (1, 32, 16_000):
        found.append(
            Contest(
                f"predict-{rows}",
                f"predictions for {rows:,} row{'s' * (rows > 1)}, 20-64-32-1",
                Operation("predict", (rows,), sizes),
                (
                    *twice("operations.network:predict"),
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
            what = "forward pass" if name == "forward" else "forward and backward pass"
            title = f"{what} of 4,096 rows, {'-'.join(map(str, widths))}"
            torch = Contestant("PyTorch", "peers.torch_passes:job", requires=("torch",), separate=True)
            entries = (*twice(f"operations.network:{name}"), torch)
            found.append(Contest(f"{name}-{widths[1]}", title, case, entries, budget=2.0, curve_tolerance=None))
    return found


def tables_and_metrics() -> list[Contest]:
    found = []
    for name in ("roc_auc", "average_precision", "f1", "log_loss", "r2"):
        case = Operation(name, (100_000,))
        peer = Contestant("scikit-learn", "operations.metrics:sklearn", requires=("sklearn",))
        entries = (*twice("operations.metrics:ours"), peer)
        found.append(Contest(name, f"{name} of 100,000 rows", case, entries, budget=2.0, curve_tolerance=None))
    return [*found, _table()]


def _table() -> Contest:
    needed = ("pandas", "sklearn")
    peer = Contestant("scikit-learn", "operations.tables:sklearn", requires=needed)
    entries = (*twice("operations.tables:ours", requires=needed), peer)
    case = Operation("table", (100_000, 15))
    title = "preparation of a table of 100,000 rows, 10 numbers and 4 words"
    return Contest("table", title, case, entries, rounds=5, curve_tolerance=None)


def processes() -> list[Contest]:
    keras = Contestant("Keras on TensorFlow", "operations.processes:keras_demo", requires=("keras", "tensorflow"))
    start = "operations.processes:statement"
    whole = "from jaxbm import *"  # `import jaxbm` alone brings nothing yet
    peers = {"jax and optax": "import jax, optax", "plain Python": "pass"}
    others = (Contestant(name, start, {"code": code}) for name, code in peers.items())
    return [
        Contest(
            "demo",
            "`jaxbm train --demo --preset classic` from shell to report, and the same job in Keras",
            Process("demo"),
            (*twice("operations.processes:demo"), keras),
            ("targets", "full"),
            rounds=4,
            budget=60.0,
            warm_up=0,
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
            (*twice(start, {"code": whole}), *others),
            ("quick", "full"),
            rounds=5,
            budget=10.0,
            curve_tolerance=None,
        ),
    ]
