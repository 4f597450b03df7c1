"""(epsilon, delta) of noisy, subsampled steps, by dp-accounting (the extra `privacy`), imported when asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

TOLERANCE = 1e-3
"""How near, relatively, the noise that is found comes to the least one."""
ORDERS = (*range(2, 64), 80, 96, 128, 256, 512)
"""Of Renyi's divergence: whole ones, which are closed sums; those between gain little, and take seconds each."""
FINE, COARSE, LARGE = 1e-4, 1e-3, 2.0
"""Steps in which losses are counted, always to the safe side: the time is theirs, and grows with epsilon."""
MOST = 16.0
"""The largest logarithm of a noise multiplier that is tried."""
HINT = "privacy: epsilon needs the package dp-accounting: pip install 'jaxbm[privacy]'"


class Mechanism(NamedTuple):
    """Steps of one kind: Gaussian noise upon the sum over rows, each drawn with the same probability."""

    noise_multiplier: float
    """standard deviation over the most that one row changes the sum"""
    sampling_rate: float = 1.0
    steps: int = 1


Path = tuple[Mechanism, ...]
"""Everything that was done with some row, one after the other."""


def _library() -> Any:
    try:
        import dp_accounting
        from dp_accounting import pld, rdp
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(HINT, name=error.name) from None
    return dp_accounting, pld, rdp


def require() -> None:
    """ModuleNotFoundError with a hint where the accountant is not installed."""
    _library()


@lru_cache(maxsize=4096)
def path_epsilon(path: Path, delta: float, accountant: str = "pld") -> float:
    """Epsilon of mechanisms that look at the same rows.

    Raises:
      ModuleNotFoundError: dp-accounting is not installed.
    """
    dp, pld, rdp = _library()

    def spent(made: Any) -> float:
        for mechanism in path:
            event = dp.GaussianDpEvent(mechanism.noise_multiplier)
            if mechanism.sampling_rate < 1:
                event = dp.PoissonSampledDpEvent(mechanism.sampling_rate, event)
            made.compose(dp.SelfComposedDpEvent(event, mechanism.steps))
        return float(made.get_epsilon(delta))

    about = spent(rdp.RdpAccountant(ORDERS))
    if accountant == "rdp":
        return about
    step = FINE if about < LARGE else COARSE
    return min(about, spent(pld.PLDAccountant(value_discretization_interval=step)))


def epsilon_of(paths: Iterable[Path], delta: float, accountant: str = "pld") -> float:
    """Epsilon of the row that loses most, where different rows went through different mechanisms.

    Args:
      paths: for each kind of row, what was done with it.
      delta: the probability with which epsilon may be exceeded.
      accountant: "pld" or "rdp".

    Raises:
      ModuleNotFoundError: dp-accounting is not installed.

    Source: Mironov, "Renyi differential privacy" (2017); Koskela, Jalko and Honkela, "Computing tight differential
    privacy guarantees using FFT" (2020).
    """
    return max(path_epsilon(path, delta, accountant) for path in undominated(paths))


def undominated(paths: Iterable[Path]) -> list[Path]:
    """Without those that lose less than another for certain: no oftener, no more steps, no less noise."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda p: [(-m.steps, -m.sampling_rate) for m in p]):
        if not any(_dominates(other, path) for other in kept):
            kept.append(path)
    return kept


def _dominates(a: Path, b: Path) -> bool:
    return len(a) == len(b) and all(
        x.noise_multiplier <= y.noise_multiplier and x.sampling_rate >= y.sampling_rate and x.steps >= y.steps
        for x, y in zip(a, b, strict=True)
    )


def noise_for(
    epsilon: float, delta: float, paths_with: Callable[[float], Iterable[Path]], accountant: str = "pld"
) -> float:
    """The least noise multiplier, to a thousandth and never below it, with which epsilon is kept.

    Args:
      epsilon, delta: what to keep.
      paths_with: noise multiplier -> what is done with each kind of row.
      accountant: "pld" or "rdp".

    Raises:
      ValueError: no noise is enough, since other mechanisms of the paths use the budget up.
      ModuleNotFoundError: dp-accounting is not installed.
    """

    def excess(log_noise: float, by: str) -> float:
        return math.log(max(epsilon_of(paths_with(math.exp(log_noise)), delta, by), 1e-12) / epsilon)

    # The looser accountant's answer is an upper bound of the other's, and costs little.
    found = _root(lambda at: excess(at, "rdp"), 0.0, 1.0, TOLERANCE / 2)
    if accountant != "rdp":
        found = _root(lambda at: excess(at, accountant), found, 0.1, TOLERANCE / 2)
    return math.exp(found)


def _root(excess: Callable[[float], float], start: float, step: float, tolerance: float) -> float:
    """Where a falling function becomes negative, to that tolerance and on the negative side."""
    from scipy.optimize import brentq

    high = start
    while excess(high) > 0:
        high, step = high + step, 2 * step
        if high > MOST:
            raise ValueError("privacy: expected an epsilon that some noise keeps, got one that none does")
    low = high - step
    while excess(low) <= 0:
        low -= step
        if low < -MOST:
            return high
    at = brentq(excess, low, high, xtol=tolerance / 2, rtol=1e-6)
    while excess(at) > 0:
        at += tolerance
    return float(at)
