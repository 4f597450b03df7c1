"""Architectures and rates that a search tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

WIDTHS = (32, 64, 128)
DEPTHS = (2, 1, 3)
"""Numbers of hidden layers, in the order in which they are tried."""
RATES, DECAYS = (5e-4, 6e-3), (1e-4, 0.3)
MOST_DROPOUT = 0.4


@dataclass(frozen=True)
class Candidate:
    """One way to train."""

    hidden: tuple[int, ...]
    learning_rate: float
    dropout: float
    weight_decay: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"hidden": list(self.hidden)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Candidate:
        """The inverse of `to_dict`."""
        return cls(**values | {"hidden": tuple(values["hidden"])})


def drawn(rng: np.random.Generator, depth: int, count: int, best: Sequence[Candidate] = ()) -> list[Candidate]:
    """Candidates of one depth, of which one has all of the widest layers, so that rounds share a compiled program.

    Args:
      rng: decides everything.
      depth: hidden layers.
      count: how many.
      best: those that did best so far; every other candidate is one of them, changed a little.

    Example:
      >>> import numpy as np
      >>> from jaxbm.tabular.candidates import drawn
      >>> [one.hidden for one in drawn(np.random.default_rng(0), 2, 3)][0]
      (128, 128)
    """
    made = []
    for i in range(count):
        if best and i % 2:
            made.append(_near(rng, best[int(rng.integers(len(best)))]))
            continue
        widths = (max(WIDTHS),) * depth if i == 0 else tuple(int(w) for w in rng.choice(WIDTHS, depth))
        dropout = 0.0 if rng.random() < 0.25 else float(rng.uniform(0, MOST_DROPOUT))
        made.append(Candidate(widths, _log_uniform(rng, RATES), dropout, _log_uniform(rng, DECAYS)))
    return made


def _near(rng: np.random.Generator, one: Candidate) -> Candidate:
    rate = float(np.clip(one.learning_rate * np.exp(rng.normal(0, 0.3)), *RATES))
    decay = float(np.clip(max(one.weight_decay, DECAYS[0]) * np.exp(rng.normal(0, 0.7)), *DECAYS))
    dropout = float(np.clip(one.dropout + rng.normal(0, 0.06), 0, MOST_DROPOUT))
    return replace(one, learning_rate=rate, weight_decay=decay, dropout=dropout)


def _log_uniform(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(ends))))
