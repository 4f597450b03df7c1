"""Cases with many unlike models: one for each group of rows, and a sweep with cross-validation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from jaxbm.benchmarks import work
from jaxbm.benchmarks.work import Work


class GroupRows(NamedTuple):
    """A table with the group of each row."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Groups:
    """One model for each group of rows; sizes are spread evenly from `least` to `most`, whatever their number."""

    members: int
    name: str = "groups"
    sizes: tuple[int, ...] = (8, 16, 1)
    least: int = 20
    most: int = 200
    batch_size: int = 32
    epochs: int = 10
    unit: str = "group"

    @property
    def units(self) -> int:
        """The number of groups."""
        return self.members

    def with_members(self, members: int) -> Groups:
        """The same for fewer groups."""
        return replace(self, members=members)

    def counts(self) -> np.ndarray:
        """Rows of each group, in a random order."""
        counts = np.linspace(self.least, self.most, self.members).round().astype(int)
        return np.random.default_rng(1).permutation(counts)

    def data(self) -> GroupRows:
        """Standard normal features; a group's labels follow its own linear rule."""
        rng, counts = np.random.default_rng(0), self.counts()
        groups = np.repeat(np.arange(self.members), counts)
        x = rng.standard_normal((groups.size, self.sizes[0]), np.float32)
        rules = rng.standard_normal((self.members, self.sizes[0]), np.float32)
        signal = (x * rules[groups]).sum(axis=1) + rng.standard_normal(groups.size, np.float32)
        return GroupRows(x, (signal > 0).astype(np.float32), groups)

    def work(self, cache: float) -> Work:
        """Matrix products of all steps; the table once; each model's state once in and out."""
        del cache
        rows = self.epochs * int(self.counts().sum())
        table = work.FLOAT * int(self.counts().sum()) * (self.sizes[0] + 1)
        state = self.members * 6 * work.FLOAT * work.n_params(self.sizes)
        return Work(work.step_flops(self.sizes, rows), table + state)

    def describe(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


@dataclass(frozen=True)
class Sweep:
    """A grid of learning rates and hidden widths, each point fitted on every fold of scikit-learn's digits."""

    members: int
    """points of the grid"""
    name: str = "sweep"
    widths: tuple[int, ...] = (16, 32, 64, 100)
    folds: int = 5
    batch_size: int = 32
    epochs: int = 10
    unit: str = "point"

    @property
    def units(self) -> int:
        """Points of the grid."""
        return self.members

    def with_members(self, members: int) -> Sweep:
        """The same range with fewer points."""
        return replace(self, members=members)

    def rates(self) -> np.ndarray:
        """The learning rates: logarithmic from 1e-3 to 1e-2."""
        return np.geomspace(1e-3, 1e-2, self.members // len(self.widths))

    def data(self) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Standardised features, labels, and `(rows to train on, rows to test on)` of each fold."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import StratifiedKFold

        x, y = load_digits(return_X_y=True)
        x = ((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)).astype(np.float32)
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=0)
        return x, y.astype(np.int32), list(folds.split(x, y))

    def work(self, cache: float) -> Work:
        """Matrix products of all fits; the table and each model's state once."""
        del cache
        rows = self.epochs * (self.folds - 1) * 1_797  # over all folds each row is trained on in all but one
        fits = len(self.rates())
        flops = fits * sum(work.step_flops((64, width, 10), rows) for width in self.widths)
        state = fits * self.folds * sum(6 * work.FLOAT * work.n_params((64, width, 10)) for width in self.widths)
        return Work(flops, work.FLOAT * 1_797 * 65 + state)

    def describe(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)
