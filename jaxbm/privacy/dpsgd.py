"""What a private run is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jaxbm.core import checks
from jaxbm.core.calls import helpful

ACCOUNTANTS = ("pld", "rdp")


@helpful
@dataclass(frozen=True)
class DPSGD:
    """Differentially private training: noisy sums of clipped gradients, for `fit(..., privacy=...)`.

    In each step every row is in the batch by a draw of its own, with probability `q = batch_size / n` (Poisson
    sampling). With the drawn rows' gradients `g_i`, noise multiplier s and clipping norm C, the optimizer sees

        (sum_i g_i min(1, C / |g_i|) + s C N(0, I)) / (q n)

    The parameters are then (epsilon, delta)-differentially private with respect to adding or removing one row. What
    that does not cover is told in the guide to privacy: recorded losses and metrics, statistics of the table's
    preparation, and every choice that was made by looking at the rows.

    Args:
      noise_multiplier: s, the noise's standard deviation in units of `clip_norm`; or None, where `epsilon` is given.
      clip_norm: C, the largest norm of one row's gradient.
      delta: the probability with which epsilon may be exceeded; well below one in n rows.
      epsilon: what to stay below, instead of a noise multiplier: the least noise that does is found. Of many members
        that visit the same rows, it is kept by all of them together.
      accountant: "pld" (privacy loss distributions, the tightest) or "rdp" (Renyi divergences, as in older papers).

    Raises:
      ValueError, TypeError: a number is out of range, or not just one of `noise_multiplier` and `epsilon` is given.

    Example:
      >>> import jax, jaxbm
      >>> x = jax.random.normal(jax.random.key(0), (200, 3))
      >>> y = (x[:, 0] > 0).astype("float32")
      >>> result = jaxbm.fit(
      ...     jax.random.key(1), jaxbm.MLP((3, 8, 1)), x, y, loss="sigmoid_binary_cross_entropy", epochs=3,
      ...     privacy=jaxbm.DPSGD(noise_multiplier=2.0, clip_norm=1.0, delta=1e-4))
      >>> result.privacy.steps, result.privacy.sampling_rate
      (21, 0.16)

    Source: Abadi et al., "Deep learning with differential privacy" (2016), algorithm 1.
    """

    noise_multiplier: float | None = None
    clip_norm: float = 1.0
    delta: float = 1e-5
    epsilon: float | None = None
    accountant: str = "pld"

    def __post_init__(self) -> None:
        if (self.noise_multiplier is None) == (self.epsilon is None):
            raise ValueError(
                "noise_multiplier: expected either it or epsilon, got "
                + ("neither" if self.epsilon is None else "both")
            )
        for name in ("noise_multiplier", "clip_norm", "delta", "epsilon"):
            value = getattr(self, name)
            if value is not None or name in ("clip_norm", "delta"):
                object.__setattr__(self, name, _positive(name, value))
        if self.delta >= 1:
            raise ValueError(f"delta: expected a number below 1, got {self.delta}")
        if not isinstance(self.accountant, str) or self.accountant not in ACCOUNTANTS:
            raise ValueError(f"accountant: expected 'pld' or 'rdp', got {checks.told(self.accountant)}")

    def with_noise(self, noise_multiplier: float) -> DPSGD:
        """The same, with that noise and no target."""
        return replace(self, noise_multiplier=noise_multiplier, epsilon=None)


def _positive(name: str, value: Any) -> float:
    checks.one_number(name, value)
    if checks.is_traced(value):
        raise TypeError(f"{name}: expected a number that is known when a run is built, got one that is traced")
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{name}: expected a positive finite number, got {number}")
    return number


def checked(name: str, value: Any) -> DPSGD | None:
    """`value`, if it is what the option takes."""
    if value is not None and not isinstance(value, DPSGD):
        raise TypeError(f"{name}: expected a jaxbm.DPSGD or None, got {type(value).__name__}")
    return value
