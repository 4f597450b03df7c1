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

Epoch = Callable[[Any, int, int, np.ndarray, np.ndarray], list[float]]
"""`(seeds, seen, count, x, y) -> losses`: the first words of members' keys and the second one of all, the steps taken
before, rows and labels as many as the run visits, of any width and within float32. The losses `[M]` of members that
diverged are NaN."""


def epoch(
    task: Task, state: RunState, own: tuple[Data, Hyper], shared: tuple[Data, Hyper]
) -> Callable[[np.ndarray], Epoch] | None:
    """A function that trains members for the only epoch of `task`, of one float32 array that it changes in place:
    parameters and moments, layer by layer, each with a leading axis of members. None where that takes more than one
    call.

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
    shapes = [(members, *shape) for a, b in pairwise(task.model.sizes) for shape in ((a, b), (b,))]
    shapes *= 1 + len(state.opt_state[1:])
    places = [0, *accumulate(prod(shape) for shape in shapes)]
    x, y = np.zeros(data.x.shape, np.float32), np.zeros(data.y.shape, label_dtype(task))
    now, streams, kept = clock.copy(), words.copy(), [array.copy() for array in before]
    n = int(data.count)
    is_short = 6.0 * task.model.n_params * members * n < direct.MOST_FLOPS
    head, read = [now, *kept], [limits, numbers, streams, rates, x, y]
    # Parts of these, since to take one takes as long as to fill it.
    firsts, seconds, counts, some_x, some_y = streams[:, 0], streams[:, 1], now[:, 0], x[:n], y[:n]

    def bind(flat: np.ndarray) -> Epoch:
        leaves = [flat[i : i + prod(shape)].reshape(shape) for i, shape in zip(places, shapes, strict=False)]
        directly = _direct(attributes, [*head, *leaves], [*read[:4], x[None], y[None]]) if is_short else None

        def run(seeds: Any, seen: int, count: int, rows: np.ndarray, found: np.ndarray) -> list[float]:
            now[...] = clock
            firsts[...], seconds[...], counts[...], some_x[...], some_y[...] = seeds, seen, count, rows, found
            ended, losses = now, kept[1]
            if directly is not None:
                kept[0][...], losses[...] = before
                directly()
            else:
                forks.check()
                after = call([now, *before, *leaves], read)
                ended, _, losses, *left = [np.asarray(array) for array in after]
                np.concatenate([leaf.ravel() for leaf in left], out=flat)
            finite = ended[:, -1].tolist()
            return [loss if told else nan for loss, told in zip(losses[:, 0].tolist(), finite, strict=True)]

        return run

    return bind


def _direct(attributes: Attributes, state: list[np.ndarray], read: list[np.ndarray]) -> Callable[[], None] | None:
    """A function that makes such a call without JAX, with what stands in the arrays by then; who has it keeps them.
    None where the library has none."""
    kept = [*map(direct.shape_of, state)]
    call = direct.call("jaxbm_train", (*attributes, ("lead", 1)), (*kept, *map(direct.shape_of, read)), tuple(kept))
    if call is None:
        return None
    held = direct.addresses(state)
    return call.bound(*held, *direct.addresses(read), *held)
