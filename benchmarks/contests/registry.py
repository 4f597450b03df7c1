"""All contests by name, and the selections they belong to.

To add a workload, add a line to `workloads.py` and a `training(...)` beside its like in this folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jaxbm.benchmarks.contest import Contest
from jaxbm.benchmarks.contests import (
    estimators,
    generated,
    libraries,
    members,
    models,
    operations,
    own,
    programs,
    scaling,
)
from jaxbm.core.names import unknown

SELECTIONS = {
    "quick": "five minutes: the main figures, every peer that is installed",
    "targets": "the claims, each with what was measured",
    "programs": "small programs by accelerate, against JAX and its own remedies",
    "edges": "programs of which accelerate gains little, against JAX and its own remedies",
    "libraries": "other libraries' programs by accelerate, against jit",
    "generated": "the hand-written training kernel against generated code, by shape, batch size and members",
    "own": "losses, optimizers and models of one's own by fit, against plain scans",
    "full": "everything but edges, libraries, generated and own",
}


@cache
def contests() -> dict[str, Contest]:
    """Every contest by name, in the order in which they run."""
    parts = (
        *(
            models.models(),
            members.alike(),
            members.unlike(),
            estimators.estimators(),
            models.frameworks(),
            operations.operations(),
        ),
        *(operations.passes(), operations.tables_and_metrics(), operations.processes(), scaling.scaling()),
        programs.programs(),
        programs.edges(),
        libraries.libraries(),
        generated.generated(),
        own.own(),
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
