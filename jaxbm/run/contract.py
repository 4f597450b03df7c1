"""What a training run is: its static description, its arrays, and the state that goes in and comes out.

A run is a pure function `run(task, state, data, hyper, words, stop) -> state`. `task` is hashable and fixes the
compiled program; everything else is arrays, so members of an ensemble may differ in any of it under `vmap`.
"""

from collections import namedtuple
from dataclasses import field, make_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from jax import Array

from jaxbm.models.protocol import Params
from jaxbm.run.conversions import Loss, Metric
from jaxbm.run.option import REQUIRED
from jaxbm.run.options import NUMBERS, OPTIONS, STATICS

EVALUATION_ROWS = 4096
"""Rows whose activations one run holds at once when a whole data set is evaluated."""
EVALUATION_ROWS_OF_ALL = 1 << 19
"""The same of all members together."""
__all__ = ["Data", "Hyper", "Loss", "Metric", "Params", "Run", "RunState", "Task"]


def _task_fields() -> Any:
    required = [name for name in STATICS if OPTIONS[name].default is REQUIRED]
    absent = {"optimizer": None, "most_rows": None, "most_rows_val": None, "evaluation_rows": EVALUATION_ROWS}
    absent |= {"l2_over_rows": False}
    defaults = {name: OPTIONS[name].default for name in STATICS if name not in (*required, "batch_size")} | absent
    first = ["model", *required, "batch_size", "epochs"]
    return make_dataclass(
        "_Task",
        [*((name, Any) for name in first), *((name, Any, field(default=value)) for name, value in defaults.items())],
        frozen=True,
    )


def _hyper_fields() -> Any:
    names = ["optimizer", *NUMBERS, "widths"]
    return namedtuple("_Hyper", names, defaults=[None] * len(names))


# They come from the description of the options, so that a new option is among them.
_Task: Any = _task_fields()
_Hyper: Any = _hyper_fields()


class Task(_Task):
    """The static part of a training run: hashable.

    Attributes:
      model: what is trained.
      loss, batch_size, shuffle, metrics, ...: every static option, as `Option.convert` made it.
      epochs: the most epochs that can run, and the length of every history.
      optimizer: an Optax `GradientTransformation`, which is functions, not data; None when `Hyper.optimizer` is used.
      most_rows, most_rows_val: the most rows that a run visits, where `Data.count` says how many it really does; None
        for all there are.
      evaluation_rows: the rows that are evaluated at once, fewer where there are many members.
      l2_over_rows: divide `Hyper.l2` by each batch's sum of row weights (by its rows, where they have none), as
        scikit-learn does with its `alpha`.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def evaluation_rows(members: int) -> int:
    """How many rows each of so many members evaluates at once: a power of two."""
    return min(EVALUATION_ROWS, 1 << max(0, (EVALUATION_ROWS_OF_ALL // members).bit_length() - 1))


class Hyper(_Hyper):
    """Numbers of a run: every one of `options.NUMBERS`; None switches the feature off in the compiled program.

    Attributes:
      optimizer: one that is data.
      epochs: int32, this run's own number of epochs, at most `Task.epochs`.
      patience: int32; all other numbers are float32.
      widths: int32 `[layers + 1]`, the run's true widths inside the model's; units beyond stay zero.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Data(NamedTuple):
    """Rows: features `[n, in]`, labels `[n]` or `[n, out]`, weights `[n]` or None; the same for validation.

    Features and labels may be pytrees of arrays with the same rows.

    A run visits rows `start` to `start + count` of the table, or of the list `rows` of table rows. Members that
    share a table differ in these alone, and the table is never copied.
    """

    x: Any
    y: Any
    weight: Array | None = None
    x_val: Any = None
    y_val: Any = None
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


class Run(NamedTuple):
    """Everything about a run that an implementation is asked about; arrays may be shapes and dtypes alone."""

    task: Task
    data: Data
    hyper: Hyper
    params: Params | None = None
    """where to start; None for fresh ones"""
    opt_state: Any = None


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
