"""Cases on real tables with scikit-learn's own defaults: what a user gains who changes the import."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from jaxbm.benchmarks import work
from jaxbm.benchmarks.work import Work

SHAPES = {"digits": (1_797, 64, 10), "breast_cancer": (569, 30, 2), "synthetic": (20_000, 20, 2)}
"""rows, features, classes"""


@dataclass(frozen=True)
class Estimator:
    """`MLPClassifier` with its defaults, 100 hidden units, Adam and up to 200 epochs, on a standardised table."""

    table: str
    name: str = "estimator"
    hidden: int = 100
    unit: str = "fit"
    units: int = 1

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Standardised features, and classes."""
        from sklearn import datasets
        from sklearn.preprocessing import scale

        if self.table == "synthetic":
            rows, features, _ = SHAPES[self.table]
            x, y = datasets.make_classification(rows, features, n_informative=10, random_state=0)
        else:
            x, y = getattr(datasets, f"load_{self.table}")(return_X_y=True)
        return scale(x), y

    def work(self, cache: float) -> Work | None:
        """How many epochs it takes depends on the data: no limit applies."""
        del cache
        return None

    def describe(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


@dataclass(frozen=True)
class Search:
    """A grid of learning rates, penalties and hidden widths, each candidate fitted on every fold of digits."""

    members: int
    """candidates"""
    name: str = "search"
    widths: tuple[int, ...] = (16, 32, 64, 100)
    penalties: tuple[float, ...] = (1e-5, 1e-3)
    folds: int = 5
    epochs: int = 20
    unit: str = "candidate"

    @property
    def units(self) -> int:
        """Candidates."""
        return self.members

    def with_members(self, members: int) -> Search:
        """The same range with fewer candidates."""
        return replace(self, members=members)

    def grid(self) -> dict[str, list[Any]]:
        """The search's `param_grid`."""
        rates = max(1, self.members // (len(self.widths) * len(self.penalties)))
        return {
            "hidden_layer_sizes": [(width,) for width in self.widths],
            "alpha": list(self.penalties),
            "learning_rate_init": np.geomspace(1e-3, 1e-2, rates).tolist(),
        }

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Standardised features, and classes."""
        return Estimator("digits").data()

    def work(self, cache: float) -> Work:
        """Matrix products of all fits; the table and each model's state once."""
        del cache
        rows = self.epochs * (self.folds - 1) * SHAPES["digits"][0]  # over all folds
        each = self.members // len(self.widths)
        flops = each * sum(work.step_flops((64, width, 10), rows) for width in self.widths)
        state = each * self.folds * sum(6 * work.FLOAT * work.n_params((64, width, 10)) for width in self.widths)
        return Work(flops, work.FLOAT * SHAPES["digits"][0] * 65 + state)

    def describe(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)
