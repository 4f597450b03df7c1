"""Results as JSON lines: a line that describes the run, then a line for each contestant of each contest.

Version 1 of the schema. Every line has `schema`, `kind` and `run`; times are in seconds per call, `units` of `unit`
per call. Readers refuse a version they don't know.
"""

from __future__ import annotations

import datetime
import json
import math
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

SCHEMA = 1
PACKAGES = (
    *("jaxbm", "jax", "jaxlib", "optax", "numpy", "scikit-learn", "flax", "equinox", "keras", "tensorflow"),
    *("tensorflow-cpu", "torch", "pandas", "blackjax", "dynamax", "gymnax", "diffrax", "tinygp"),
)


@dataclass(frozen=True)
class Run:
    """Where and when: one per run of the suite."""

    run: str
    machine: dict[str, Any]
    versions: dict[str, str]
    revision: str | None
    limits: dict[str, float]
    kind: str = "run"
    schema: int = SCHEMA


@dataclass(frozen=True)
class Result:
    """One contestant in one contest. `status` is "ok", "absent" or "failed", the last two with a `reason`."""

    run: str
    contest: str
    contestant: str
    status: str
    reason: str | None = None
    case: dict[str, Any] = field(default_factory=dict)
    unit: str = "call"
    units: int = 1
    members_timed: int | None = None
    first: float | None = None
    compiling: float | None = None
    samples: list[float] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)
    flops: float | None = None
    bytes: float | None = None
    peak_bytes: float | None = None
    kind: str = "result"
    schema: int = SCHEMA

    @property
    def per_unit(self) -> list[float]:
        """Seconds per unit, a number for each round."""
        return [seconds / self.units for seconds in self.samples]


@dataclass
class Records:
    """Everything in a file: runs in order, and the latest result of each contestant in each contest."""

    runs: list[Run] = field(default_factory=list)
    results: dict[tuple[str, str], Result] = field(default_factory=dict)

    def contest(self, name: str) -> dict[str, Result]:
        """The contest's results by contestant, all of its latest run."""
        found = {c: result for (contest, c), result in self.results.items() if contest == name}
        latest = list(found.values())[-1].run if found else None
        return {c: result for c, result in found.items() if result.run == latest}

    def contests(self, order: Sequence[str] = ()) -> list[str]:
        """Names of contests that were run: those of `order` in its order, then the others as they came."""
        found = dict.fromkeys(contest for contest, _ in self.results)
        return [*(name for name in order if name in found), *(name for name in found if name not in order)]

    def run_of(self, result: Result) -> Run:
        """The run that a result belongs to."""
        return next(run for run in self.runs if run.run == result.run)


def describe_run(limits: Mapping[str, float]) -> Run:
    """This machine, now."""
    import jax

    from jaxbm.benchmarks.limits import threads

    now = datetime.datetime.now(datetime.UTC)
    machine = {
        "cpu": cpu_model(),
        "threads": threads(),
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "kernels": _kernels(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return Run(
        now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        machine,
        versions(PACKAGES),
        _revision(),
        {k: float(v) for k, v in limits.items()},
    )


def dumps(line: Run | Result) -> str:
    """One line of a file, without its end.

    Raises:
      ValueError: a number is NaN or infinite, which JSON has no word for.
    """
    return json.dumps(_rounded({k: v for k, v in asdict(line).items() if v is not None}), allow_nan=False)


def append(path: Path, lines: Iterable[Run | Result]) -> None:
    """Add lines to the end of a file."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(dumps(line) + "\n" for line in lines)


def mend(path: Path) -> None:
    """Take off the last line where a run was killed while it wrote it."""
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")


def load(path: str | Path) -> Records:
    """Read a file of results, or every `*.jsonl` of a folder in order of their names.

    Raises:
      ValueError: a line is no JSON or not of this schema; names file and line.
    """
    path = Path(path)
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: expected results (*.jsonl), found none")
    records = Records()
    for file in files:
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            line = _parsed(text, f"{file}:{number}")
            if isinstance(line, Run):
                records.runs.append(line)
            else:
                records.results.pop((line.contest, line.contestant), None)
                records.results[line.contest, line.contestant] = line
    return records


def _parsed(text: str, where: str) -> Run | Result:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: expected a line of JSON, got {text[:40]!r} ({error})") from None
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        got = fields.get("schema") if isinstance(fields, dict) else fields
        raise ValueError(f"{where}: expected schema {SCHEMA}, got {got!r}")
    kinds: dict[str, type[Run] | type[Result]] = {"run": Run, "result": Result}
    if fields.get("kind") not in kinds:
        raise ValueError(f"{where}: expected kind 'run' or 'result', got {fields.get('kind')!r}")
    fields.setdefault("revision", None) if fields["kind"] == "run" else None
    try:
        return kinds[fields["kind"]](**fields)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def _rounded(value: Any) -> Any:
    """Six significant digits: more than any clock here deserves."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else value
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _kernels() -> str:
    from jaxbm import kernels

    return kernels.status()["cpu"]


def versions(names: Iterable[str]) -> dict[str, str]:
    """Of those packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _revision() -> str | None:
    """Git's name of the source's state, where it is a checkout; "+" at the end says that files were changed."""
    import jaxbm

    for folder in jaxbm.__path__:
        command = ["git", "-C", folder, "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return None
        inside = (Path(folder).parent / "pyproject.toml").exists()
        if done.returncode == 0 and inside:
            return done.stdout.strip()
    return None
