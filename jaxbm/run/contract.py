"""What a training run is: its static description, its arrays, and the state that goes in and comes out.

A run is a pure function `run(task, state, data, hyper, words, stop) -> state`. `task` is hashable and fixes the
compiled program; everything else is arrays, so members of an ensemble may differ in any of it under `vmap`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from jax import Array

from jaxbm.models.protocol import Model, Params

Loss = Callable[[Array, Array], Array]
Metric = Callable[[Array, Array, Array | None], Array]


@dataclass(frozen=True)
class Task:
    """The static part of a training run."""

    model: Model
    loss: Loss
    """`(logits, labels) -> values`, one per example (trailing axes are averaged)"""
    batch_size: int
    epochs: int
    """the most epochs that can run, and the length of every history"""
    shuffle: bool = True
    metrics: tuple[tuple[str, Metric], ...] = ()
    augment: Callable[[Array, Array, Array], tuple[Array, Array]] | None = None
    optimizer: Any = None
    """an Optax `GradientTransformation`, which is functions, not data; None when `Hyper.optimizer` is used"""
    most_rows: int | None = None
    """the most rows that a run visits, where `Data.count` says how many it really does; None for all there are"""
    most_rows_val: int | None = None
    bootstrap: bool = False
    """draw the run's rows with replacement, once, from as many as it has"""


class Data(NamedTuple):
    """Rows: features `[n, in]`, labels `[n]` or `[n, out]`, weights `[n]` or None; the same for validation.

    A run visits rows `start` to `start + count` of the table, or of the list `rows` of table rows. Members that
    share a table differ in these alone, and the table is never copied.
    """

    x: Array
    y: Array
    weight: Array | None = None
    x_val: Array | None = None
    y_val: Array | None = None
    weight_val: Array | None = None
    rows: Array | None = None
    """int32 `[k]`: rows of the table; None for all in turn"""
    start: Array | None = None
    count: Array | None = None  # type: ignore[assignment]  # a field, not tuple.count
    """int32 scalars; None for all. With `count`, `Task.most_rows` bounds it"""
    rows_val: Array | None = None
    start_val: Array | None = None
    count_val: Array | None = None
    class_weight: Array | None = None
    class_weight_val: Array | None = None
    """float32 `[classes]`: multiplies the weight of a row whose label is that class. Members that count classes
    in rows of their own differ in so few numbers, not in a weight for each row"""


class Hyper(NamedTuple):
    """Numbers of a run; None switches the feature off in the compiled program."""

    optimizer: Any = None
    l2: Array | None = None
    clip_norm: Array | None = None
    dropout: Array | None = None
    patience: Array | None = None
    min_delta: Array | None = None
    epochs: Array | None = None
    """int32: this run's own number of epochs, at most `Task.epochs`"""
    widths: Array | None = None
    """int32 `[layers + 1]`: the run's true widths inside the model's; units beyond stay zero"""


class RunState(NamedTuple):
    """Everything that a run carries from epoch to epoch."""

    params: Params
    opt_state: Any
    best_params: Params | None
    """parameters after the best epoch; None without early stopping"""
    best_value: Array
    best_epoch: Array
    wait: Array
    """epochs since the best one"""
    epoch: Array
    epochs_run: Array
    active: Array
    finite: Array
    history: dict[str, Array]
    """name -> float32 `[epochs]`, NaN where no epoch ran"""
