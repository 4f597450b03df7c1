"""What is trained: named cases of data, network, batch size and epochs. All data are random, none is zero."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

import jaxbm
from jaxbm.benchmarks.work import Work
from jaxbm.benchmarks.work import train as train_work

BINARY = "sigmoid_binary_cross_entropy"
CLASSES = "softmax_cross_entropy_with_integer_labels"


class Rows(NamedTuple):
    """Training rows, and validation rows where the workload has any."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray | None = None
    y_val: np.ndarray | None = None


@dataclass(frozen=True)
class Workload:
    """One training job.

    Args:
      name: how it is asked for.
      sizes: widths of the network, input to output; one output means binary labels, more mean classes.
      rows: training rows.
      batch_size: rows per step.
      epochs: passes over the rows in one timed call.
      members: models trained in the call.
      shared: members see the same batches in the same order, instead of each shuffling for itself.
      validation_rows: further rows, on which the loss is measured after each epoch.
      learning_rate: Adam's.
    """

    name: str
    sizes: tuple[int, ...]
    rows: int
    batch_size: int
    epochs: int = 1
    members: int = 1
    shared: bool = False
    validation_rows: int = 0
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        # Fixed-size batches are what a plain scan can do; a ragged last one would give peers unequal work.
        if self.rows % self.batch_size:
            raise ValueError(f"batch_size: expected a divisor of {self.rows} rows, got {self.batch_size}")

    @property
    def model(self) -> jaxbm.MLP:
        """The network: relu, Glorot (Xavier) uniform, zero biases."""
        return jaxbm.MLP(self.sizes)

    @property
    def loss(self) -> str:
        """The loss's name in `jaxbm.losses` and Optax."""
        return BINARY if self.sizes[-1] == 1 else CLASSES

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one member in one epoch."""
        return self.rows // self.batch_size

    @property
    def unit(self) -> str:
        """What `units` counts."""
        return "step" if self.members == 1 else "member-step"

    @property
    def units(self) -> int:
        """Optimizer steps of all members in one call."""
        return self.members * self.epochs * self.steps_per_epoch

    def work(self, cache: float) -> Work:
        """FLOPs and compulsory bytes of one call."""
        return train_work(self.sizes, self.batch_size, self.steps_per_epoch, self.epochs, self.members, cache=cache)

    def mean_loss(self, logits: Any, labels: Any) -> Any:
        """Of a batch, by Optax."""
        import optax  # not in the processes of peers that have no use for it

        losses = getattr(optax, self.loss)(logits[:, 0] if self.sizes[-1] == 1 else logits, labels)
        return losses.mean()

    def describe(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)

    def with_members(self, members: int) -> Workload:
        """The same job for another number of members."""
        return replace(self, members=members)

    def data(self, seed: int = 0) -> Rows:
        """Standard normal features; labels by a random linear rule with noise, so that there is something to learn.

        Args:
          seed: of NumPy's generator; the same rows each time.

        Returns:
          float32 features, and float32 labels (binary) or int32 ones (classes).

        Example:
          >>> rows = WORKLOADS["small"].data()
          >>> rows.x.shape, rows.y.dtype.name, rows.x_val is None
          ((16000, 20), 'float32', True)
        """
        rng = np.random.default_rng(seed)
        n, width, out = self.rows + self.validation_rows, self.sizes[0], self.sizes[-1]
        x = rng.standard_normal((n, width), np.float32)
        signal = x @ rng.standard_normal((width, out), np.float32)
        signal += np.float32(0.2 * width**0.5) * rng.standard_normal(signal.shape, np.float32)
        y = (signal[:, 0] > 0).astype(np.float32) if out == 1 else signal.argmax(axis=1).astype(np.int32)
        cut = self.rows
        return Rows(x[:cut], y[:cut], *((x[cut:], y[cut:]) if self.validation_rows else (None, None)))


SMALL = Workload("small", (20, 64, 32, 1), rows=16_000, batch_size=32, epochs=10)

WORKLOADS = {
    w.name: w
    for w in (
        Workload("tiny", (8, 16, 1), rows=16_000, batch_size=16, epochs=10),
        SMALL,
        Workload("middle", (784, 128, 10), rows=6_400, batch_size=64),
        Workload("square", (30, 256, 256, 2), rows=25_600, batch_size=256, epochs=2),
        Workload("wide", (784, 512, 512, 10), rows=6_400, batch_size=128),
        replace(SMALL, name="small-validated", epochs=10, validation_rows=4_000),
        *(
            replace(
                SMALL, name=f"members-{count}{'-shared' if shared else ''}", epochs=1, members=count, shared=shared
            )
            for count in (64, 1_000, 1_024)
            for shared in (False, True)
        ),
        *(
            replace(SMALL, name=f"batch-{size}", rows=32_768, batch_size=size, epochs=2)
            for size in (1, 8, 32, 128, 512, 4_096)
        ),
        *(
            Workload(f"width-{width}", (64, width, width, 1), rows=12_800, batch_size=128, epochs=2)
            for width in (16, 64, 256, 1_024)
        ),
        *(replace(SMALL, name=f"scaling-{count}", epochs=1, members=count) for count in (1, 2, 8, 512, 10_000)),
        *(
            replace(SMALL, name=f"scaling-{count}-shared", epochs=1, members=count, shared=True)
            for count in (8, 10_000)
        ),
    )
}
