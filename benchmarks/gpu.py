"""Training on a GPU, in under eight minutes: are the numbers right, and what does a step take, beside peers.

python benchmarks/gpu.py --out gpu.jsonl     from a checkout
python -m jaxbm.benchmarks.gpu               the same
python -m jaxbm.benchmarks.gpu --dry         every contestant once on whatever is here, tiny: does the script run?
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: the checkout is what is measured
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.6")  # PyTorch takes of the rest

import jax

import jaxbm
from jaxbm.benchmarks import gpu_numerics, gpu_table, limits, method, record
from jaxbm.benchmarks.contest import AGAIN, OURS
from jaxbm.benchmarks.gpu_numerics import CUDA, CUDA_3X, CUDA_TF32
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.record import Result
from jaxbm.benchmarks.workloads import Workload
from jaxbm.kernels.registry import IMPLEMENTATIONS

MINUTES = 7.5
"""When this is nearly over, the cases left are recorded as not run."""
CALL_SECONDS = 0.25
"""About how long one timed call takes: enough that what a call costs besides its steps is small, and is in it."""
ROUNDS, BUDGET = 5, 1.5
MAIN = (20, 64, 32, 1)
SHAPES = ((8, 16, 3), (30, 100, 1), (54, 128, 64, 7), (784, 128, 10))
MEMBERS = (1, 132, 264, 1_024, 8_192)
BATCHES = (128, 64, 8)
STEP_SECONDS, BYTES_PER_SECOND, PASSES = 25e-6, 2.5e12, 10
"""A step takes at least so long, and moves every parameter about so often: to choose a number of epochs, no more."""
UNIT = "step of all members"


@dataclass(frozen=True)
class Contestant:
    """Somebody who trains: what it is called, who makes its job, the module it needs, why it is off, its cases."""

    name: str
    make: Callable[[Workload], Job]
    requires: str | None = None
    off: str | None = None
    takes: Callable[[Workload], bool] = field(default=lambda workload: True)


def cases(dry: bool) -> list[Workload]:
    """What is trained, the most telling first."""
    if dry:
        return [_case((4, 3, 1), 8, members, rows=16) for members in (1, 2)]
    return [
        *(_case(MAIN, 32, members) for members in MEMBERS),
        *(_case(MAIN, size, 264) for size in BATCHES),
        *(_case(sizes, 32, members) for members in (264, 1_024) for sizes in SHAPES),
        *(_case(sizes, 32, 1) for sizes in SHAPES[1:3]),
    ]


def _case(sizes: tuple[int, ...], batch: int, members: int, rows: int = 6_400) -> Workload:
    name = f"{'-'.join(map(str, sizes))}, batch {batch}, {members:,} member{'s' * (members > 1)}"
    case = Workload(name, sizes, rows=rows, batch_size=batch, members=members)
    moved = 4 * PASSES * members * case.model.n_params
    steps = CALL_SECONDS / max(STEP_SECONDS, moved / BYTES_PER_SECOND)
    return case if rows < 6_400 else replace(case, epochs=max(2, round(steps / case.steps_per_epoch)))


def contestants() -> list[Contestant]:
    """Ours, plain JAX, and PyTorch in every way that it offers; each PyTorch module is imported only where it is."""
    ours = [
        Contestant(OURS, partial(_ours, implementation="xla"), takes=_is_main),
        Contestant(f"{OURS} float32", partial(_ours, implementation="xla", precision="highest")),
    ]
    ours_by_cuda, off = partial(_ours, implementation="cuda"), _off("cuda")
    return [
        *ours,
        Contestant(CUDA, partial(ours_by_cuda, precision="highest"), off=off),
        Contestant(CUDA_3X, ours_by_cuda, off=off, takes=_is_large),
        Contestant(CUDA_TF32, partial(ours_by_cuda, precision="tf32"), off=off, takes=_is_large),
        Contestant("plain scan", _plain, takes=_is_main),
        Contestant("plain scan float32", partial(_plain, precision="highest")),
        Contestant("PyTorch", _torch_loop, "torch", takes=_is_first),
        Contestant("PyTorch compiled", partial(_torch_loop, compiled=True), "torch", takes=_is_first),
        Contestant("torch.func", _torch_func, "torch", takes=_is_middling),
        Contestant("torch.func, CUDA graph", _torch_graph, "torch"),
    ]


def _off(implementation: str) -> str | None:
    entry = IMPLEMENTATIONS.get(implementation)
    return f"there is no implementation {implementation!r}" if entry is None else entry.off()


def _is_large(case: Workload) -> bool:
    """Where tensor cores are faster, or may be."""
    return case.sizes in (MAIN, (4, 3, 1)) and case.batch_size >= 32 and (case.batch_size > 32 or case.members > 1)


def _is_main(case: Workload) -> bool:
    """Elsewhere everybody multiplies in float32: compiling takes most of a case's time, and the minutes are few."""
    return case.sizes in (MAIN, (4, 3, 1)) and case.batch_size in (32, 8)


def _is_middling(case: Workload) -> bool:
    return _is_main(case) and case.members <= 1_024  # beyond, its start takes longer than its steps


def _is_first(case: Workload) -> bool:
    return _is_main(case) and case.members == 1  # compiling takes half a minute


def _ours(case: Workload, *, implementation: str, precision: str | None = None) -> Job:
    rows = jax.tree.map(jax.device_put, case.data())
    options: dict[str, Any] = {"loss": case.loss, "optimizer": jaxbm.adam(case.learning_rate)}
    options |= {"epochs": case.epochs, "batch_size": case.batch_size}
    options |= {"implementation": implementation, "precision": precision}

    def run(key: Any) -> Any:
        train = jaxbm.fit if case.members == 1 else jaxbm.fit_members
        return train(key, case.model, rows.x, rows.y, **options)

    def setup(seed: int) -> Any:
        key = jax.random.key(seed)
        return key if case.members == 1 else jax.random.split(key, case.members)

    return Job(run, setup, lambda result: {"loss": result.history["loss"].reshape(-1, case.epochs).mean(axis=0)})


def _plain(case: Workload, *, precision: str | None = None) -> Job:
    from jaxbm.benchmarks.peers import plain_scan

    return plain_scan.job(case, precision=precision)


def _torch_loop(case: Workload, *, compiled: bool = False) -> Job:
    from jaxbm.benchmarks.peers import torch_loop

    return torch_loop.job(replace(case, epochs=1), compiled=compiled)


def _torch_func(case: Workload) -> Job:
    from jaxbm.benchmarks.peers import torch_loop

    return torch_loop.ensemble(replace(case, epochs=1))


def _torch_graph(case: Workload) -> Job:
    from jaxbm.benchmarks.peers import torch_graphs

    return torch_graphs.job(replace(case, epochs=1))


def timed(case: Workload, run: str, wrong: dict[str, str], rounds: int) -> Iterator[Result]:
    """Everybody who takes the case, in turns; whoever computes wrong numbers is not timed."""
    jobs, first = dict[str, Job](), dict[str, method.Round]()
    for contestant in contestants():
        if not contestant.takes(case):
            continue
        result = Result(run, case.name, contestant.name, "failed", case=case.describe(), unit=UNIT)
        if contestant.requires and importlib.util.find_spec(contestant.requires) is None:
            yield replace(result, status="absent", reason=f"{contestant.requires} is not installed")
        elif contestant.off:
            yield replace(result, status="absent", reason=contestant.off)
        elif contestant.name in wrong:
            yield replace(result, reason=wrong[contestant.name])
        else:
            try:
                job = contestant.make(case)
                first[contestant.name] = method.timed(job, 0)  # alone: one who breaks takes nobody along
                jobs[contestant.name] = job
            except NotImplementedError as error:
                yield replace(result, status="absent", reason=_told(error))
            except Exception as error:
                yield replace(result, reason=_told(error))
    if not jobs:
        return
    if OURS in jobs:
        jobs[AGAIN], first[AGAIN] = jobs[OURS], first[OURS]
    calls = {name: partial(method.timed, job) for name, job in jobs.items()}
    try:
        found = method.interleave(calls, rounds=rounds, budget=BUDGET, warm_up=0)
    except Exception as error:
        yield Result(run, case.name, OURS, "failed", reason=_told(error), case=case.describe(), unit=UNIT)
        return
    for name, times in found.items():
        epochs = len(times.curves["loss"])
        work = replace(case, epochs=epochs).work(0.0)
        yield Result(
            run, case.name, name, "ok", case=case.describe(), unit=UNIT, units=epochs * case.steps_per_epoch,
            first=first[name].seconds, compiling=first[name].compile_seconds, samples=times.samples,
            curves=times.curves, flops=work.flops, bytes=work.bytes,
        )  # fmt: skip


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else 'no message'}"


def _limits(dry: bool) -> dict[str, float]:
    """A large copy, and a large matrix product in what JAX computes by default and in float32."""
    found = limits.measure(repeats=1 if dry else 5, elements=10_000 if dry else limits.STREAM_ELEMENTS)
    with jax.default_matmul_precision("highest"):
        return found | {"matmul_float32": limits.matmul(1 if dry else 3, 256 if dry else limits.GPU_MATMUL)}


def main(argv: list[str] | None = None) -> int:
    """Measure, write, print the table; 1 where somebody of ours failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.jsonl"), help="a new file of results [%(default)s]")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="what it may take [%(default)s]")
    parser.add_argument("--dry", action="store_true", help="tiny, on whatever device there is")
    arguments = parser.parse_args(argv)
    began = time.monotonic()
    if jax.default_backend() != "gpu" and not arguments.dry:
        parser.error(f"JAX's default backend is {jax.default_backend()}, expected a GPU; --dry runs anywhere")
    if arguments.out.exists():
        parser.error(f"--out: expected a new file, {arguments.out} exists")
    run = record.describe_run(_limits(arguments.dry))
    record.append(arguments.out, [run])
    print(f"{run.machine['device']}; {' '.join(f'{k} {v:.4g}' for k, v in run.limits.items())}", flush=True)
    wrong = dict[str, str]()
    shapes, batches = ([(4, 3, 1)], ()) if arguments.dry else ([MAIN, *SHAPES], BATCHES)
    for result in gpu_numerics.results(run.run, shapes, batches):
        _written(arguments.out, result)
        if result.status == "failed":
            wrong.setdefault(result.contestant, result.reason or "wrong numbers")
    failed, last = bool(wrong), 0.0
    for case in cases(arguments.dry):
        at = time.monotonic()
        if at - began + last > 60 * arguments.minutes:
            missed = Result(run.run, case.name, OURS, "absent", reason="no time was left", case=case.describe())
            _written(arguments.out, replace(missed, unit=UNIT))
            continue
        for result in timed(case, run.run, wrong, 2 if arguments.dry else ROUNDS):
            _written(arguments.out, result)
            failed |= result.status == "failed" and result.contestant.startswith(OURS)
        last = time.monotonic() - at
    print(gpu_table.block(record.load(arguments.out)))
    print(f"\n{arguments.out}: {time.monotonic() - began:.0f} s")
    return int(failed)


def _written(path: Path, result: Result) -> None:
    record.append(path, [result])
    shown = f"{1e6 * method.quantiles(result.per_unit)[1]:.2f} us" if result.samples else result.reason
    if not result.samples and result.curves:
        shown = ", ".join(f"{name} {values[0]:.2g}" for name, values in result.curves.items())
    print(f"{result.contest:44s} {result.contestant:24s} {result.status:7s} {shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
