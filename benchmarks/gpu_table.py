"""The table of a GPU, from committed results of `benchmarks/gpu.py`."""

from __future__ import annotations

from pathlib import Path

from jaxbm.benchmarks import analysis, record
from jaxbm.benchmarks.contest import OURS
from jaxbm.benchmarks.gpu_numerics import CUDA, CUDA_TF32
from jaxbm.benchmarks.record import Records, Result
from jaxbm.benchmarks.text import table

UNKNOWN = "No figures of a GPU are committed."
NUMBERS = "numbers of "
EXPLAINED = (
    f"Microseconds that a step of all members takes, medians of whole calls. `{OURS}` is `fit` or `fit_members` by "
    "XLA; where nothing else is said, ours and the plain scan multiply in JAX's default, PyTorch in float32."
)
REACH = (
    (OURS, "plain scan"),
    (f"{OURS} float32", "plain scan float32"),
    (CUDA, "plain scan float32"),
    (CUDA_TF32, "plain scan"),
    (CUDA, "torch.func, CUDA graph"),
)
"""Who is compared with whom in the last columns."""


def block(records: Records) -> str:
    """The device, its limits, its numbers' errors, and microseconds a step."""
    contests = records.contests()
    if not contests:
        return UNKNOWN
    run = records.run_of(next(iter(records.contest(contests[0]).values())))
    named = {k: v for k, v in run.versions.items() if k in ("jaxbm", "jax", "torch")}
    told = [f"{run.machine['device']}; {', '.join(f'{k} {v}' for k, v in named.items())}."]
    if "triad" in run.limits:
        rates = [f"{run.limits[k] / 1e12:.3g} TFLOP/s {name}" for k, name in _RATES.items() if k in run.limits]
        told.append(
            f"A large copy moves {run.limits['triad'] / 1e12:.3g} TB/s, a large product does {', '.join(rates)}."
        )
    told += [_errors(records, contests), EXPLAINED]
    timed = {name: records.contest(name) for name in contests if not name.startswith(NUMBERS)}
    who = dict.fromkeys(c for results in timed.values() for c in analysis.timed(results))
    pairs = [pair for pair in REACH if set(pair) <= set(who)]
    header = ["case", *who, *(f"{other} / {ours}" for ours, other in pairs)]
    rows = [
        [name, *_times(results, list(who)), *_ratios(results, pairs)] for name, results in timed.items() if results
    ]
    rows = [row for row in rows if any(cell for cell in row[1:])]
    return "\n\n".join([*(line for line in told if line), table(header, rows)])


_RATES = {"matmul": "as JAX computes it by default", "matmul_float32": "in float32"}


def of_folder(folder: Path) -> str:
    """The table of a folder's results, if there are any."""
    return block(record.load(folder) if any(folder.glob("*.jsonl")) else Records())


def _times(results: dict[str, Result], who: list[str]) -> list[str]:
    found = analysis.timed(results)
    return [f"{1e6 * analysis.median(found[name]):.1f}" if name in found else "" for name in who]


def _ratios(results: dict[str, Result], pairs: list[tuple[str, str]]) -> list[str]:
    found = [analysis.against(results, ours, other) for ours, other in pairs]
    return ["" if verdict is None else f"{verdict.ratio:.2f}x" for verdict in found]


def _errors(records: Records, contests: list[str]) -> str:
    """The mean error of each of ours against float64, where it is largest; and who failed."""
    worst, broken = dict[str, float](), dict[str, str]()
    for name in contests:
        for who, result in records.contest(name).items() if name.startswith(NUMBERS) else ():
            if result.curves:
                worst[who] = max(worst.get(who, 0.0), result.curves["mean error"][0])
            if result.status == "failed":
                broken[who] = result.reason or "failed"
    shown = [f"{who} {error:.1e}" for who, error in worst.items()]
    shown += [f"{who} wrong ({reason})" for who, reason in broken.items()]
    return f"Mean error of parameters after some steps, against float64: {', '.join(shown)}." if shown else ""
