"""Many models at once: alike, unlike, and ten thousand of them."""

from __future__ import annotations

from dataclasses import replace

from jaxbm.benchmarks.contest import Contest, Contestant, Target, twice
from jaxbm.benchmarks.contests.contestants import (
    GRID,
    JOBLIB,
    ONE_MEMBER,
    OURS_ALONE,
    OURS_TWICE,
    OWN_PROCESS,
    TORCH_FUNC,
    TORCH_LOOP,
    VMAP_SCAN,
    training,
)
from jaxbm.benchmarks.ensembles import Groups, Sweep
from jaxbm.benchmarks.workloads import WORKLOADS


def alike() -> list[Contest]:
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


def unlike() -> list[Contest]:
    """Members that differ in rows, numbers of rows and widths."""
    groups = (
        *twice("peers.groups:ours"),
        Contestant("loop of compiled fits", "peers.groups:compiled_loop", members=12),
        Contestant(
            "scikit-learn loop", "peers.groups:sklearn_loop", requires=("sklearn",), separate=True, members=40
        ),
    )
    sweep = (
        *twice("peers.sweep:ours"),
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


def ten_thousand() -> Contest:
    """Ten thousand members: is the time per member-step what it is for fewer, and what do they need of memory?"""
    fewer = tuple(replace(OURS_TWICE[0], name=f"jaxbm, {n:,} members", members=n) for n in (64, 1_000))
    one = replace(OURS_ALONE, name=ONE_MEMBER, members=1)
    return Contest(
        "scaling-10000",
        "10,000 members of 20-64-32-1",
        WORKLOADS["scaling-10000"],
        (OURS_TWICE[0], *fewer, OURS_ALONE, one),
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
