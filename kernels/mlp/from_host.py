"""Calls of the compiled CPU kernel whose numbers are put together on the host.

A program that does nothing but call the kernel is compiled in a few milliseconds. Every stack or slice beside the
call would be one more function for LLVM, and a dozen of them takes longer than many a table's whole training.
"""

from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxbm.core.halves import merged
from jaxbm.kernels.calls import Attributes, as_int64
from jaxbm.kernels.mlp import apply as apply_mlp
from jaxbm.kernels.mlp import train
from jaxbm.kernels.mlp.settings import drop_below, label_dtype, number_values
from jaxbm.optimizers import Adam
from jaxbm.run.contract import Data, Hyper, RunState, Task
from jaxbm.run.rows import training_rows, validation_rows

ROWS = ("x", "y", "weight", "class_weight", "rows")
"""Fields of `Data` in the order in which the kernel reads them."""


def run(
    task: Task,
    state: RunState,
    words: tuple[Any, Any],
    own: tuple[Data, Hyper],
    shared: tuple[Data, Hyper],
    stop: int,
    *,
    lead: int,
) -> RunState | None:
    """`train.run_directly` of arrays that are there, bit for bit.

    None where it takes more than one call, or a schedule's rates.

    Args:
      task: of all members.
      state: with a leading axis of members, or of one run without; given up.
      words: uint32 `[M]`, or scalars.
      own: what is each member's own, with a leading axis, None elsewhere.
      shared: the rest.
      stop: the epoch to train until.
      lead: 1 of members, 0 of one run.
    """
    data, hyper = merged(own, shared)
    is_own: Any = Data(*[lead > 0 and leaf is not None for leaf in own[0]])  # type: ignore[arg-type]  # a tree like it
    if task.metrics or callable(hyper.optimizer.learning_rate) or not train.is_watched(task, state.history):
        return None
    sizes = Data(*(_without_lead(leaf, mine) for leaf, mine in zip(data, is_own, strict=True)))
    visited, held_out = training_rows(task, sizes), validation_rows(task, sizes)
    names = ["loss"] if held_out is None else ["loss", "val_loss"]
    opt = state.opt_state
    moments = (opt.mu, opt.nu) if isinstance(hyper.optimizer, Adam) else (opt.trace,)
    clock = stacked(np.int32, *train.clock_of(state))
    carried = (clock, state.best_value, [state.history[k] for k in names], state.params, moments, state.best_params)
    leaves, tree = jax.tree.flatten(carried)
    limits = [*_range(data, "", visited.most), *(_range(data, "_val", held_out.most) if held_out else (0, 0))]
    numbers = numbers_of(task, hyper, words, min(int(stop), task.epochs), limits, lead)
    arrays, is_lifted = [*numbers], [False] * len(numbers)
    if hyper.widths is not None:
        arrays.append(hyper.widths)
        is_lifted.append(bool(lead) and own[1].widths is None)
    for suffix in ("", "_val") if held_out else ("",):
        for name in ROWS:
            array = getattr(data, name + suffix)
            if array is not None:
                arrays.append(_as_read(task, name, array))
                is_lifted.append(bool(lead) and not getattr(is_own, name + suffix))
    attributes = train.attributes_of(task, data, hyper, labels_2d=len(sizes.y.shape) == 2)
    out = program("jaxbm_train", attributes, lead, tuple(is_lifted))(leaves, arrays)
    clock, *rest = jax.tree.unflatten(tree, out)
    columns = np.moveaxis(np.asarray(clock), -1, 0)
    after = train.state_of(state, names, (columns, *rest))
    counters = ("best_epoch", "wait", "epoch", "epochs_run", "active", "finite")
    values = [after.opt_state.count, *(getattr(after, name) for name in counters)]
    count, *counted = jax.device_put(list(map(np.asarray, values)))  # together, which takes half of the time
    opt_state = after.opt_state._replace(count=count)
    return after._replace(opt_state=opt_state, **dict(zip(counters, counted, strict=True)))


def logits(
    model: Any, params: Any, x: Array, start: Any = None, count: Any = None, most: int | None = None, rows: Any = None
) -> Array:
    """`[M, most, out]`: `apply.call` of members, their ranges each their own, everything else but `params` shared."""
    most = (x if rows is None else rows).shape[0] if most is None else most
    limits = np.asarray([[0, most]], np.int32) if start is None else stacked(np.int32, start, count)
    layers = [leaf for layer in params for leaf in (layer.weight, layer.bias) if leaf is not None]
    arrays = [limits, x, *layers, *([] if rows is None else [rows])]
    is_lifted = (False, True, *(False for _ in layers), *([] if rows is None else [True]))
    result = (layers[0].shape[0], most, model.sizes[-1])
    attributes = apply_mlp.attributes_of(model, is_indexed=rows is not None)
    return program("jaxbm_apply", attributes, 1, is_lifted, result)([], arrays)[0]


@lru_cache(maxsize=4096)
def program(
    target: str, attributes: Attributes, lead: int, is_lifted: tuple[bool, ...], result: tuple[int, ...] | None = None
) -> Any:
    """A compiled `(kept, read) -> kept, or a new result`: one call of the kernel, and nothing else to compile.

    Args:
      target, attributes, lead: as for `kernel_call`.
      is_lifted: which of the arrays read get a leading axis of length 1.
      result: shape of a new float32 result, if there is one.
    """
    told = {name: as_int64(value) for name, value in (*attributes, ("lead", lead))}

    def call(kept: list[Array], read: list[Array]) -> Any:
        lifted = [array[None] if lift else array for array, lift in zip(read, is_lifted, strict=True)]
        shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in kept]
        new = [] if result is None else [jax.ShapeDtypeStruct(result, np.dtype("float32"))]
        aliases = {i: i for i in range(len(kept))}
        return jax.ffi.ffi_call(target, [*shapes, *new], input_output_aliases=aliases)(*kept, *lifted, **told)

    return jax.jit(call, donate_argnums=0)


def numbers_of(
    task: Task, hyper: Hyper, words: tuple[Any, Any], stop: int, limits: list[Any], lead: int
) -> list[np.ndarray]:
    """Limits, the run's numbers, the words of its key and its rates."""
    hyper = jax.tree.map(np.asarray, hyper)
    epochs = task.epochs if hyper.epochs is None else hyper.epochs
    patience = 0 if hyper.patience is None else hyper.patience
    found = [
        stacked(np.int32, stop, epochs, patience, *limits),
        stacked(np.float32, *number_values(task.loss, hyper.optimizer, hyper)),
        stacked(np.uint32, *words, 0 if hyper.dropout is None else drop_below(hyper.dropout)),
        stacked(np.float32, hyper.optimizer.learning_rate),
    ]
    return [array[None] if array.ndim == lead else array for array in found]


def stacked(dtype: Any, *values: Any) -> np.ndarray:
    """Numbers, or one for each member, along a new last axis."""
    return np.stack(np.broadcast_arrays(*(np.asarray(value).astype(dtype) for value in values)), axis=-1)


def _range(data: Data, suffix: str, most: int) -> tuple[Any, Any]:
    start, count = getattr(data, "start" + suffix), getattr(data, "count" + suffix)
    return 0 if start is None else start, most if count is None else count


def _as_read(task: Task, name: str, array: Any) -> Any:
    """Rows in the types that the kernel reads."""
    dtype = label_dtype(task) if name == "y" else np.dtype("float32") if "weight" in name else array.dtype
    return array if array.dtype == dtype else array.astype(dtype)


def _without_lead(leaf: Any, is_own: bool) -> Any:
    return leaf if leaf is None or not is_own else jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
