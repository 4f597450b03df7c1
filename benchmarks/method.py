"""How times are taken: warm-up, interleaved rounds, quantiles, noise from a contestant against itself.

A contestant is timed in rounds that take turns with the others', so that a slow minute of the machine hits all of
them. Its arguments are made before the clock starts and every array it returns is waited for before the clock
stops. A compilation inside the clock is an error, never a slow round.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"
CONFIDENCE = 0.95
RESAMPLES = 2000


class RecompilationError(RuntimeError):
    """Something was compiled while the clock ran; `.name` is the contestant's."""

    def __init__(self, name: str, count: int):
        super().__init__(
            f"{name}: {count} compilations while the clock ran; compiled code must compile in its warm-up only"
        )
        self.name = name


@dataclass(frozen=True)
class Job:
    """One contestant, ready to run: data on the device, model built.

    Args:
      run: what is timed, a function of what `setup` returned.
      setup: makes the argument of a round from the round's seed, before the clock starts.
      curves: turns what `run` returned into `{"loss": [epochs], ...}`, after the clock stopped; None where there is
        nothing to compare.
      peak: turns what `run` returned into bytes of memory, where that is known.
    """

    run: Callable[[Any], Any]
    setup: Callable[[int], Any] = field(default=lambda seed: seed)
    curves: Callable[[Any], Mapping[str, Sequence[float]]] | None = None
    peak: Callable[[Any], float] | None = None


class Round(NamedTuple):
    """One timed call."""

    seconds: float
    compilations: int
    curves: dict[str, list[float]]
    compile_seconds: float = 0.0
    peak: float | None = None
    """bytes of memory"""


class Times(NamedTuple):
    """A contestant's figures, in seconds."""

    first: float
    """the first call, compilation included"""
    compiling: float
    """what of it XLA's compiler reported as its own"""
    samples: list[float]
    curves: dict[str, list[float]]
    """mean over the rounds of each curve"""
    peak: float | None
    """bytes of memory, median over the rounds"""


def ready(output: Any) -> Any:
    """Wait for every array in `output`; dispatch in JAX is asynchronous.

    Example:
      >>> import jax.numpy as jnp
      >>> float(ready({"sum": jnp.ones(3).sum()})["sum"])
      3.0
    """
    jax = sys.modules.get("jax")
    return output if jax is None else jax.block_until_ready(output)


@contextmanager
def compilations() -> Iterator[list[float]]:
    """The seconds of each compilation by XLA inside the block."""
    import jax

    seen: list[float] = []

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if event == COMPILE_EVENT:
            seen.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def timed(job: Job, seed: int, *, clock: Callable[[], float] = time.perf_counter) -> Round:
    """One call of `job.run`, its argument made before and its output read after the clock."""
    argument = ready(job.setup(seed))
    with compilations() as compiled:
        began = clock()
        output = ready(job.run(argument))
        seconds = clock() - began
        count, compiling = len(compiled), sum(compiled)
    curves = {} if job.curves is None else {k: [float(v) for v in c] for k, c in job.curves(output).items()}
    return Round(seconds, count, curves, compiling, None if job.peak is None else job.peak(output))


def interleave(
    contestants: Mapping[str, Callable[[int], Round]],
    *,
    rounds: int,
    budget: float = math.inf,
    warm_up: int = 1,
    least: int = 3,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Times]:
    """Time contestants in turns.

    Args:
      contestants: `{name: function of a seed that returns a Round}`.
      rounds: how often each is timed.
      budget: seconds one contestant may take; a slow one is timed less often, spread over the same stretch.
      warm_up: calls after the first one that are not timed.
      least: rounds that even the slowest gets.
      progress: called with a contestant's name before each of its calls.

    Returns:
      `{name: Times}`.

    Raises:
      RecompilationError: a contestant compiled something after its warm-up.

    Example:
      >>> out = interleave({"a": lambda seed: Round(2.0, 0, {}), "b": lambda seed: Round(3.0, 0, {})}, rounds=3)
      >>> out["a"].samples, out["b"].samples
      ([2.0, 2.0, 2.0], [3.0, 3.0, 3.0])
    """
    first, share = {}, {}
    for name, call in contestants.items():
        progress(name)
        first[name] = last = call(0)
        for seed in range(1, warm_up + 1):
            progress(name)
            last = call(seed)
        share[name] = min(rounds, max(least, int(min(rounds, budget / max(last.seconds, 1e-9)))))
    taken: dict[str, list[Round]] = {name: [] for name in contestants}
    names = list(contestants)
    for i in range(rounds):
        # Whoever comes after a slow contestant may find cold caches: let that be a different one each round.
        for name in names[i % len(names) :] + names[: i % len(names)]:
            if i == 0 or i * share[name] // rounds > (i - 1) * share[name] // rounds:  # `share` of all, evenly
                progress(name)
                taken[name].append(_checked(name, contestants[name](warm_up + 1 + i)))
    return {name: _times(first[name], taken[name]) for name in contestants}


def _checked(name: str, round_: Round) -> Round:
    if round_.compilations:
        raise RecompilationError(name, round_.compilations)
    return round_


def _times(first: Round, rounds: list[Round]) -> Times:
    curves = {
        name: np.mean([r.curves[name] for r in rounds], axis=0).tolist()
        for name in (rounds[0].curves if rounds else ())
    }
    peaks = [r.peak for r in rounds if r.peak is not None]
    peak = float(np.median(peaks)) if peaks else None
    return Times(first.seconds, first.compile_seconds, [r.seconds for r in rounds], curves, peak)


def quantiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """The quartiles: low, median, high.

    Example:
      >>> quantiles([1.0, 2.0, 3.0, 4.0, 5.0])
      (2.0, 3.0, 4.0)
    """
    low, middle, high = np.quantile(np.asarray(samples, float), [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def half_width(a: Sequence[float], b: Sequence[float]) -> float:
    """Uncertainty of the ratio of two medians: half the width of a bootstrap interval of its logarithm.

    Args:
      a, b: seconds per call.

    Returns:
      `h` such that the ratio lies within a factor `exp(h)` in 95% of the resamples.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    rng = np.random.default_rng(0)
    draws = [np.median(rng.choice(np.asarray(s, float), (RESAMPLES, len(s))), axis=1) for s in (a, b)]
    low, high = np.quantile(np.log(draws[0] / draws[1]), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(high - low) / 2


def noise(samples: Sequence[float], again: Sequence[float]) -> float:
    """What a contestant against itself (A/A) differs by: `|log ratio of medians|` plus its own uncertainty.

    Example:
      >>> noise([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
      0.0
    """
    offset = abs(math.log(quantiles(samples)[1] / quantiles(again)[1]))
    return offset + half_width(samples, again)


class Verdict(NamedTuple):
    """How one contestant compares with another."""

    ratio: float
    """other's time over ours: above 1, ours is faster"""
    margin: float
    """the log ratio that would still be a tie"""
    word: str
    """"faster", "slower" or "tie" """


def verdict(ours: Sequence[float], other: Sequence[float], noise_level: float = 0.0) -> Verdict:
    """Compare two contestants' samples; what lies within the noise, or within its own uncertainty, is a tie.

    Example:
      >>> verdict([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], 0.05).word
      'faster'
      >>> verdict([1.0, 1.0, 1.0], [1.02, 1.02, 1.02], 0.05).word
      'tie'
    """
    ratio = quantiles(other)[1] / quantiles(ours)[1]
    margin = max(noise_level, half_width(ours, other))
    if abs(math.log(ratio)) <= margin:
        return Verdict(ratio, margin, "tie")
    return Verdict(ratio, margin, "faster" if ratio > 1 else "slower")
