"""What a run has spent of its rows' privacy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax

from jaxbm.core.words import counted
from jaxbm.privacy.accounting import Mechanism, Path, epsilon_of, undominated


@jax.tree_util.register_static
@dataclass(frozen=True)
class PrivacySpent:
    """The (epsilon, delta) that a run's parameters have, with respect to adding or removing one row.

    A pytree without leaves: it goes through transformations as it is.

    Attributes:
      paths: for each kind of row, the mechanisms that looked at it; of many members that share rows, all of them.
      clip_norm: the largest norm of a row's gradient.
      delta: the probability with which epsilon may be exceeded.
      accountant: who computes epsilon.
      told: what else the reader must know.

    Example:
      >>> from jaxbm.privacy import Mechanism, PrivacySpent
      >>> spent = PrivacySpent(((Mechanism(4.0, 0.01, 10_000),),), 1.0, 1e-5)
      >>> spent.noise_multiplier, spent.steps
      (4.0, 10000)
    """

    paths: tuple[Path, ...]
    clip_norm: float
    delta: float
    accountant: str = "pld"
    told: tuple[str, ...] = ()

    @property
    def epsilon(self) -> float:
        """Of the row that loses most, by all mechanisms that looked at it.

        Raises:
          ModuleNotFoundError: dp-accounting is not installed.
        """
        return epsilon_of(self.paths, self.delta, self.accountant)

    @property
    def noise_multiplier(self) -> float:
        """The least of any step."""
        return min(step.noise_multiplier for step in self._mechanisms())

    @property
    def sampling_rate(self) -> float:
        """The largest probability with which a step draws a row."""
        return max(step.sampling_rate for step in self._mechanisms())

    @property
    def steps(self) -> int:
        """The most that look at one row."""
        return max(sum(step.steps for step in path) for path in self.paths)

    def _mechanisms(self) -> list[Mechanism]:
        return [step for path in self.paths for step in path]

    def after(self, earlier: PrivacySpent) -> PrivacySpent:
        """This and `earlier`, where both may have looked at any row."""
        paths = tuple(undominated((*a, *b) for a in earlier.paths for b in self.paths))
        return replace(self, paths=paths, told=_told(earlier, self))

    def beside(self, other: PrivacySpent) -> PrivacySpent:
        """This and `other`, where no row was looked at by both."""
        return replace(self, paths=tuple(undominated((*self.paths, *other.paths))), told=_told(self, other))

    def described(self) -> dict[str, float | int | str]:
        """Epsilon and what it follows from, as JSON values."""
        names = ("epsilon", "delta", "noise_multiplier", "clip_norm", "sampling_rate", "steps", "accountant")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return (
            f"epsilon {self.epsilon:.3g} at delta {self.delta:g}: each row drawn with probability up to "
            f"{self.sampling_rate:.3g} in {counted(self.steps, 'step')}, gradients clipped to norm "
            f"{self.clip_norm:g}, noise multiplier {self.noise_multiplier:.4g}"
        )


def _told(*parts: PrivacySpent) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for part in parts for line in part.told))
