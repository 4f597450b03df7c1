"""One epoch of the compiled CPU kernel, again and again on other rows: what stays the same is put together once.

Its program is the kernel's call and nothing else. One with a dozen slices and copies beside it is handed on from
thread to thread by XLA, which takes longer than a step of a small network.
"""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import numpy as np

from jaxbm.core.halves import merged
from jaxbm.kernels.mlp import from_host, train
from jaxbm.kernels.mlp.settings import label_dtype
from jaxbm.run.contract import Data, Hyper, RunState, Task

Arrays = Sequence[np.ndarray]
Epoch = Callable[[np.ndarray, int, Arrays, np.ndarray, np.ndarray], tuple[list[np.ndarray], list[float]]]
"""`(words, count, leaves, x, y) -> (leaves, losses)`: uint32 `[M, 2]`, the steps taken before, parameters and moments
with a leading axis of members, layer by layer; the losses `[M]` are NaN of members that diverged."""


def epoch(task: Task, state: RunState, own: tuple[Data, Hyper], shared: tuple[Data, Hyper]) -> Epoch | None:
    """A function that trains members for the only epoch of `task`; None where that takes more than one call.

    Args:
      task: of one epoch.
      state: before it, on the host, with a leading axis of members; of this the shapes count alone, and the clock.
      own: numbers of each member's own, with a leading axis, None elsewhere; no rows.
      shared: the rest. All rows of its table, which is given anew for each epoch, are visited.
    """
    data, hyper = merged(own, shared)
    is_plain = [name for name, leaf in zip(Data._fields, data, strict=True) if leaf is not None] == [
        "x",
        "y",
        "count",
    ]
    if not is_plain or task.metrics or task.epochs != 1 or hyper.widths is not None:
        return None
    if callable(hyper.optimizer.learning_rate):
        return None
    attributes = train.attributes_of(task, data, hyper, labels_2d=len(data.y.shape) == 2)
    call = from_host.program("jaxbm_train", attributes, 1, (False, False, False, False, True, True))
    members = len(state.best_value)
    clock = from_host.stacked(np.int32, *train.clock_of(state))
    limits, numbers, words, rates = from_host.numbers_of(
        task, hyper, (np.zeros(members),) * 2, 1, [0, data.count, 0, 0], 1
    )
    before = [np.asarray(state.best_value), np.asarray(state.history["loss"])]
    labels = label_dtype(task)

    def run(keys: np.ndarray, count: int, leaves: Arrays, x: np.ndarray, y: np.ndarray) -> Any:
        now, streams = clock.copy(), words.copy()
        now[:, 0], streams[:, :2] = count, keys
        y = y if y.dtype == labels else y.astype(labels)
        out = call([now, *before, *leaves], [limits, numbers, streams, rates, x, y])
        counters, _, losses, *after = [np.asarray(array) for array in out]
        is_finite = counters[:, -1].tolist()
        return after, [loss if finite else nan for (loss,), finite in zip(losses.tolist(), is_finite, strict=True)]

    return run
