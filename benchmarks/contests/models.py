"""One model: from tiny to wide, against plain JAX and against other frameworks."""

from __future__ import annotations

from dataclasses import replace

from jaxbm.benchmarks.contest import Contest, Target
from jaxbm.benchmarks.contests.contestants import (
    AVX2,
    FRAMEWORKS,
    ONE_THREAD,
    OURS_ALONE,
    OURS_TWICE,
    PEERS,
    SCAN,
    SCAN_OUR_SHUFFLE,
    XLA,
    training,
)
from jaxbm.benchmarks.workloads import WORKLOADS


def models() -> list[Contest]:
    both = ("quick", "targets", "full")
    return [
        training(
            "small",
            "one model 20-64-32-1, batch 32, 16,000 rows",
            (XLA, AVX2, ONE_THREAD, SCAN, SCAN_OUR_SHUFFLE),
            selections=both,
            rounds=31,
            targets=(
                Target(
                    "20-64-32-1, an epoch with shuffle, against a plain scan with jax.random.permutation",
                    6.5,
                    against=SCAN,
                ),
                Target("20-64-32-1 against our own XLA path", 3.0, against=XLA),
                Target("20-64-32-1 on one thread: share of the core's peak", 0.75, "core peak", ONE_THREAD),
                Target("20-64-32-1, seconds of compilation", 1.0, "compile"),
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
                Target(
                    "30-256-256-2 on one thread: share of the core's peak",
                    0.9,
                    "core peak",
                    ONE_THREAD,
                ),
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


def frameworks() -> list[Contest]:
    small = replace(WORKLOADS["small"], epochs=3)
    # In a process of its own too, so that peak memory stands beside that of the others.
    contestants = (*OURS_TWICE, OURS_ALONE, *(PEERS[name] for name in (SCAN, *FRAMEWORKS)))
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
            rounds=9,
        ),
        training(
            "small-validated",
            "time to a validation loss: 20-64-32-1, batch 32, ten epochs",
            (SCAN, "Keras on TensorFlow, tuned", "Keras on JAX, tuned", "PyTorch", "scikit-learn"),
            rounds=7,
        ),
    ]
