"""What users write themselves, trained by `fit` as one native function, against the better of two plain scans."""

from __future__ import annotations

from typing import Any

from jaxbm.benchmarks.contest import Contest, Contestant, Target, twice
from jaxbm.benchmarks.ensembles import Groups
from jaxbm.benchmarks.own import Own

SCAN, UNROLLED = "JAX scan", "JAX scan, unroll=4"
# name, title, case, how many times as fast as the better scan
TRAININGS = (
    ("own-pinball", "a pinball loss, optax.adam, 20-64-32-1", Own("pinball"), 3.0),
    ("own-lion", "optax.lion, 20-64-32-1", Own("lion"), 3.0),
    ("own-clipped-adamw", "clipped optax.adamw, 20-64-32-1", Own("clipped-adamw"), 3.0),
    ("own-residual", "LayerNorm and residuals, three layers of 64", Own("residual"), 3.5),
    ("own-ppo", "proximal policy optimization, 6-64-64-4, batch 128", Own("ppo", 12_800, 128), 3.0),
    ("own-pinn", "a differential equation's residual, 1-32-32-1", Own("pinn", 3_200), 8.0),
    ("own-64", "64 members with a pinball loss, 20-64-32-1", Own("pinball", 1_600, members=64), 4.0),
    ("own-1000", "1,000 members with a pinball loss, 20-64-32-1", Own("pinball", 320, members=1_000), 5.0),
)


def own() -> list[Contest]:
    """A contest for each."""
    return [*(_contest(*row) for row in TRAININGS), _groups()]


def _entries(ours: str, scan: str, **options: Any) -> tuple[Contestant, ...]:
    return (
        *twice(ours, requires=("llvmlite",)),
        Contestant(SCAN, scan, **options),
        Contestant(UNROLLED, scan, {"unroll": 4}, **options),
    )


def _targets(title: str, factor: float) -> tuple[Target, ...]:
    return tuple(Target(f"{title}, against {peer}", factor, against=peer) for peer in (SCAN, UNROLLED))


def _contest(name: str, title: str, case: Own, factor: float) -> Contest:
    entries = _entries("peers.own:ours", "peers.own:scan")
    return Contest(
        name, title, case, entries, ("own",), _targets(title, factor), rounds=15, budget=2.0, curve_tolerance=None
    )  # fmt: skip


def _groups() -> Contest:
    title = "a model 8-16-1 with a Poisson loss for each of 1,000 groups of 20 to 200 rows, ten epochs"
    entries = _entries("peers.own:poisson_groups", "peers.own:poisson_loop", members=12)
    return Contest(
        "own-groups", title, Groups(1_000), entries, ("own",), _targets(title, 20.0), rounds=9, budget=2.0,
        curve_tolerance=None,
    )  # fmt: skip
