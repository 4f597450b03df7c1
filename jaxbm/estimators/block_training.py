"""Training on sparse features that don't fit as a dense table: in dense blocks of rows, one after the other.

An epoch visits the rows in a new order, cut into blocks; networks draw their batches inside of each block, which
holds many of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxbm.estimators.networks import Network, Program, Training, Weights
from jaxbm.estimators.rows import block_rows, dense
from jaxbm.estimators.tables import table
from jaxbm.models.mlp import MLP


class BlockTraining:
    """What `Training` is, for networks that share the rows of a sparse matrix.

    Args:
      program, networks: as for `Training`; every network visits the same rows.
      x: sparse `[n, features]`.
      y, weight: labels and weights of its rows.
      opt_state: as for `Training`.
    """

    def __init__(
        self, program: Program, networks: Sequence[Network], x: Any, y: np.ndarray, weight: np.ndarray | None,
        opt_state: Any = None,
    ):  # fmt: skip
        self.program, self.opt_state = program, opt_state
        self.networks = [replace(network, rows=None) for network in networks]
        self.x, self.y, self.weight = x, y, weight
        self.rows = np.arange(x.shape[0]) if networks[0].rows is None else networks[0].rows
        size = block_rows(x) or x.shape[0]
        batch = min(program.batch_size, len(self.rows))
        self.size = max(batch, size // batch * batch)  # whole batches, so that only an epoch's last one is smaller
        self.rng = np.random.default_rng([network.seed for network in networks])
        self.alive = np.ones(len(networks), bool)
        self.active = np.ones(len(networks), bool)
        self.last: Training

    @property
    def model(self) -> MLP:
        """The architecture that all networks fit into."""
        return self.last.model

    @property
    def params(self) -> Any:
        """Stacked parameters as they are now."""
        return self.last.params

    def advance(self, epochs: int) -> np.ndarray:
        """As `Training.advance`."""
        losses = [self._epoch() for _ in range(epochs)]
        return np.stack(losses, axis=1)

    def _epoch(self) -> np.ndarray:
        order = self.rng.permutation(self.rows) if self.program.shuffle else self.rows
        total, visited = np.zeros(len(self.networks)), 0.0
        for start in range(0, len(order), self.size):
            index = order[start : start + self.size]
            weight = None if self.weight is None else self.weight[index]
            block = table(dense(self.x[index]), self.y[index], weight, self.size)
            self.last = Training(self.program, self.networks, block, 1, self.opt_state, self.active & self.alive)
            losses = self.last.advance()[:, 0]
            self.alive &= self.last.finite()
            amount = float(len(index) if weight is None else weight.sum())
            total, visited = total + losses * amount, visited + amount
            self._take(len(index))
        return total / max(visited, 1e-300)

    def _take(self, rows: int) -> None:
        self.opt_state = self.last.state.opt_state
        for k, weights in enumerate(self.last.weights()):
            self.networks[k] = replace(
                self.networks[k], weights=weights, seen=self.networks[k].seen + rows, rows=None
            )

    def retire(self, mask: np.ndarray) -> None:
        """As `Training.retire`."""
        self.active &= ~mask

    def finite(self) -> np.ndarray:
        """As `Training.finite`."""
        return self.alive

    def set_rates(self, rates: np.ndarray) -> None:
        """As `Training.set_rates`."""
        self.last.set_rates(rates)
        self.opt_state = self.last.state.opt_state
        self.networks = [replace(n, learning_rate=float(rate)) for n, rate in zip(self.networks, rates, strict=True)]

    def penalties(self) -> np.ndarray:
        """As `Training.penalties`."""
        return self.last.penalties()

    def weights(self, params: Any = None) -> list[Weights]:
        """As `Training.weights`."""
        return self.last.weights(params)
