"""One epoch of the compiled CPU kernel, again and again on other rows: what stays the same is put together once.

Its program is the kernel's call and nothing else. One with a dozen slices and copies beside it is handed on from
thread to thread by XLA, which takes longer than a step of a small network.
"""

from collections.abc import Callable
from itertools import accumulate, pairwise
from math import nan, prod
from typing import Any

import numpy as np

from jaxbm.core import forks
from jaxbm.core.halves import merged
from jaxbm.kernels import direct
from jaxbm.kernels.calls import Attributes
from jaxbm.kernels.mlp import from_host, train
from jaxbm.kernels.mlp.settings import label_dtype
from jaxbm.run.contract import Data, Hyper, RunState, Task

Epoch = Callable[[np.ndarray, int, np.ndarray, np.ndarray, np.ndarray], list[float]]
"""`(words, count, flat, x, y) -> losses`: uint32 `[M, 2]`, the steps taken before, and one float32 array that is
changed in place: parameters and moments, layer by layer, each with a leading axis of members. The losses `[M]` are
NaN of members that diverged."""


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
    shapes = [(members, *shape) for a, b in pairwise(task.model.sizes) for shape in ((a, b), (b,))]
    shapes *= 1 + len(state.opt_state[1:])
    places = [0, *accumulate(prod(shape) for shape in shapes)]
    head = [clock, *before]
    directly = None
    if 6.0 * task.model.n_params * members * int(data.count) < direct.MOST_FLOPS:
        directly = _direct(attributes, [*head, *shapes], [limits, numbers, words, rates], data, labels)

    def run(keys: np.ndarray, count: int, flat: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[float]:
        now, streams = clock.copy(), words.copy()
        now[:, 0], streams[:, :2] = count, keys
        y = np.ascontiguousarray(y, labels)
        if directly is not None:
            losses = before[1].copy()
            directly(now, losses, flat, streams, x, y)
        else:
            forks.check()
            leaves = [flat[i : i + prod(shape)].reshape(shape) for i, shape in zip(places, shapes, strict=False)]
            after = call([now, *before, *leaves], [limits, numbers, streams, rates, x, y])
            now, _, losses, *found = [np.asarray(array) for array in after]
            np.concatenate([leaf.ravel() for leaf in found], out=flat)
        return [
            loss if finite else nan for loss, finite in zip(losses[:, 0].tolist(), now[:, -1].tolist(), strict=True)
        ]

    return run


def _direct(attributes: Attributes, state: list[Any], numbers: list[np.ndarray], data: Data, labels: Any) -> Any:
    """A function of what changes that makes such a call without JAX; None where the library has none."""
    head, leaves = state[:3], [(np.dtype("float32"), shape) for shape in state[3:]]
    kept = [*map(direct.shape_of, head), *leaves]
    rows = [(np.dtype("float32"), (1, *data.x.shape)), (np.dtype(labels), (1, *data.y.shape))]  # which members share
    read = [*map(direct.shape_of, numbers), *rows]
    call = direct.call("jaxbm_train", (*attributes, ("lead", 1)), (*kept, *read), tuple(kept))
    if call is None:
        return None
    best, (limits, floats, _, rates) = head[1], numbers
    fixed = [direct.address(array) for array in (limits, floats, rates)]
    offsets = [4 * i for i in accumulate((prod(shape) for _, shape in leaves[:-1]), initial=0)]

    def made(now: Any, losses: Any, flat: Any, words: Any, x: Any, y: Any) -> None:
        at, own = direct.address(flat), best.copy()
        held = [direct.address(now), direct.address(own), direct.address(losses), *(at + i for i in offsets)]
        others = fixed[0], fixed[1], direct.address(words), fixed[2], direct.address(x), direct.address(y)
        call(*held, *others, *held)

    made.kept = numbers  # type: ignore[attr-defined]  # whose addresses were taken
    return made
