"""The training run as one call of the compiled CPU kernel."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core.counter import Words
from jaxbm.kernels.allow import unknown_options
from jaxbm.kernels.calls import Attributes, kernel_call
from jaxbm.kernels.choice import elsewhere
from jaxbm.kernels.mlp import apply as apply_mlp
from jaxbm.kernels.mlp.settings import (
    labels_of,
    loss_name,
    numbers_of,
    rates_of,
    run_unsupported,
    words_of,
)
from jaxbm.kernels.native import code, native
from jaxbm.models.mlp import Params
from jaxbm.optimizers import Adam
from jaxbm.run import loop, together
from jaxbm.run.contract import Data, Hyper, Loss, Run, RunState, Task
from jaxbm.run.rows import RowSet, training_rows, validation_rows

# Bits of the attribute `options`, as in cpu/ffi/train_call.h.
OPTIONS = (
    "bias",
    "nesterov",
    "momentum",
    "shuffle",
    "clip",
    "dropout",
    "early_stopping",
    "weighted",
    "labels_2d",
    "validation",
    "validation_weighted",
    "indexed",
    "validation_indexed",
    "bootstrap",
    "widths",
    "class_weighted",
    "validation_class_weighted",
    "l2_over_rows",
)
THREADS = 0
"""Threads of one call; 0 for as many as pay. The result is the same, bit for bit."""


# Whatever precision is the least that a run asks for: the kernel computes in float32.
KNOWN_TASK = (
    "model", "loss", "batch_size", "epochs", "shuffle", "metrics", "monitor", "monitor_mode", "most_rows",
    "most_rows_val", "bootstrap", "precision", "evaluation_rows", "l2_over_rows",
)  # fmt: skip
KNOWN_DATA = Data._fields
KNOWN_HYPER = ("optimizer", "l2", "clip_norm", "dropout", "patience", "min_delta", "epochs", "widths")
XLA_FASTER_PARAMS, XLA_FASTER_PARAMS_AMX = 1_000_000, 20_000_000
"""From about here XLA's matrix products on a CPU overtake the kernel's; with AMX nothing larger was measured."""
ISA = {"v4_amx": "AVX-512 with AMX", "v4": "AVX-512", "v3": "AVX2", "v2": "SSE4.2", "generic": "generic"}


def off() -> str | None:
    """Why the kernel can't be called on this machine; None where it can."""
    return native().reason


def status() -> str:
    """Whether it is on, and for which instruction set, or why it is off."""
    return off() or f"on ({ISA[native().isa or 'generic']})"


def slower(run: Run) -> str | None:
    """Why XLA is the faster one at this run, here; None where it isn't."""
    if (reason := elsewhere()) is not None:
        return reason
    if native().isa == "v2":
        return "without AVX2, XLA is faster"
    most = XLA_FASTER_PARAMS_AMX if native().isa == "v4_amx" else XLA_FASTER_PARAMS
    if run.task.model.n_params > most:
        return f"from {most:,} parameters on, XLA's matrix products are faster"
    return None


def unsupported(run: Run) -> str | None:
    """Why the kernel does not cover this run; None where it does."""
    task = run.task
    if (reason := apply_mlp.unsupported(task.model)) is not None:
        return reason
    if (reason := run_unsupported(run, knows_loss=_loss_code(task.loss) is not None)) is not None:
        return reason
    return unknown_options(run, KNOWN_TASK, KNOWN_DATA, KNOWN_HYPER)


def run(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None = None) -> RunState:
    """`xla.run`, by the compiled kernel; differentiating through it takes the XLA path by itself."""
    return _run(task, state, data, hyper, words, stop)


def run_directly(
    task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None = None
) -> RunState:
    """`run` on a CPU where nobody differentiates: traced in half the time, since the XLA path is left out."""
    return _native(task, state, data, hyper, words, stop)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _run(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None) -> RunState:
    # Lowered for another platform, the call would name a kernel that does not exist there.
    return lax.platform_dependent(
        state, data, hyper, words, stop, cpu=partial(_native, task), default=partial(loop.run, task)
    )


@_run.defjvp
def _run_jvp(task: Task, primals: Any, tangents: Any) -> Any:
    return jax.jvp(partial(loop.run, task), primals, tangents)


def _native(
    task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None = None
) -> RunState:
    last = jnp.minimum(task.epochs if stop is None else stop, task.epochs).astype(jnp.int32)
    monitor, is_own = loop.monitored(task, state.history), is_watched(task, state.history)
    if not task.metrics and is_own:
        return _epochs(task, state, data, hyper, words, last)

    def one_epoch(state: RunState) -> RunState:
        at, before = state.epoch, state
        if is_own:
            state = _epochs(task, state, data, hyper, words, at + 1)
        else:
            unwatched = hyper._replace(patience=None, min_delta=None)
            state = _epochs(task, state._replace(best_params=None), data, unwatched, words, at + 1)
        record = loop.measure(task, state.params, data, hyper, with_loss=False, logits_of=_logits)
        history = {k: v.at[at].set(record[k].astype(v.dtype)) if k in record else v for k, v in state.history.items()}
        state = state._replace(history=history)
        if is_own:
            return state
        kept = ("best_params", "best_value", "best_epoch", "wait")
        state = state._replace(**{name: getattr(before, name) for name in kept})
        stopped = loop.early_stopping(state._replace(epoch=at), history[monitor][at], task, hyper)
        return stopped._replace(epoch=state.epoch)

    def advance(state: RunState) -> RunState:
        here = state.epoch < last
        going = loop.is_going(state, hyper) & here

        def trained(state: RunState) -> RunState:
            skipped = together.skipped_by_member(going)
            return jax.tree.map(lambda new, old: jnp.where(skipped, old, new), one_epoch(state), state)

        at = state.epoch
        state = lax.cond(together.any_member(going), trained, lambda s: s, state)
        return state._replace(epoch=jnp.where(here, at + 1, at))

    if stop is None:  # of a known length, which more transformations take, such as checkify of many members
        return lax.scan(lambda s, _: (advance(s), None), state, length=task.epochs)[0]
    return lax.while_loop(lambda s: s.epoch < last, advance, state)


def is_watched(task: Task, history: dict[str, Any]) -> bool:
    """Whether the kernel itself stops early: it watches the validation loss, or that of training without validation;
    anything else is watched by the caller."""
    own = "val_loss" if "val_loss" in history else "loss"
    return loop.monitored(task, history) == own and task.monitor_mode != "max"


def _epochs(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array) -> RunState:
    """Epochs until `stop` in one call."""
    optimizer = hyper.optimizer
    visited, held_out = training_rows(task, data), validation_rows(task, data)
    is_adam = isinstance(optimizer, Adam)
    attributes = attributes_of(task, data, hyper, labels_2d=data.y.ndim == 2)
    names = ["loss"] if held_out is None else ["loss", "val_loss"]
    opt = state.opt_state
    moments = (opt.mu, opt.nu) if is_adam else (opt.trace,)
    clock = _int32(*clock_of(state))
    carried = (clock, state.best_value, [state.history[k] for k in names], state.params, moments, state.best_params)
    leaves, tree = jax.tree.flatten(carried)
    epochs = task.epochs if hyper.epochs is None else hyper.epochs
    patience = 0 if hyper.patience is None else hyper.patience
    steps = task.epochs * -(-visited.most // min(task.batch_size, visited.most))
    arguments = [
        _int32(stop, epochs, patience, *_range(visited), *_range(held_out)),
        numbers_of(task.loss, optimizer, hyper),
        words_of(words, hyper.dropout),
        rates_of(optimizer, opt.count, steps),
    ]
    if hyper.widths is not None:
        arguments.append(hyper.widths.astype(jnp.int32))
    for part in (visited, held_out):
        if part is not None:
            weights = [w.astype(jnp.float32) for w in (part.weight, part.class_weight) if w is not None]
            arguments += [part.x, labels_of(task, part.y), *weights, *([] if part.rows is None else [part.rows])]
    out = kernel_call("jaxbm_train", attributes, tuple(range(len(leaves))))(*leaves, *arguments)
    return state_of(state, names, jax.tree.unflatten(tree, out))


def clock_of(state: RunState) -> tuple[Any, ...]:
    """The counters that a call reads and gives back, as int32."""
    counts = state.opt_state.count, state.epoch, state.epochs_run, state.best_epoch, state.wait
    return (*counts, state.active, state.finite)


def state_of(before: RunState, names: list[str], out: Any) -> RunState:
    """The state that a call gives back.

    Args:
      before: the state that it was given.
      names: of the histories.
      out: its clock, a counter after the other as in `clock_of`; best value, histories, parameters, moments and best
        parameters.
    """
    clock, best_value, histories, params, moments, best = out
    count = clock[0].astype(jnp.result_type(before.opt_state.count))
    return RunState(
        params=params,
        opt_state=type(before.opt_state)(count, *moments),
        best_params=best,
        best_value=best_value,
        best_epoch=clock[3],
        wait=clock[4],
        epoch=clock[1],
        epochs_run=clock[2],
        active=clock[5] != 0,
        finite=clock[6] != 0,
        history={**before.history, **dict(zip(names, histories, strict=True))},
    )


def attributes_of(task: Task, data: Data, hyper: Hyper, *, labels_2d: bool) -> Attributes:
    """What a call is told of a run besides arrays; of these it only matters which are there."""
    model: Any = task.model  # an MLP, see `unsupported`
    optimizer = hyper.optimizer
    is_adam = isinstance(optimizer, Adam)
    present = {
        "bias": model.use_bias,
        "nesterov": optimizer.nesterov,
        "momentum": not is_adam and optimizer.momentum is not None,
        "shuffle": task.shuffle,
        "clip": hyper.clip_norm is not None,
        "dropout": hyper.dropout is not None,
        "early_stopping": hyper.patience is not None,
        "weighted": data.weight is not None,
        "labels_2d": labels_2d,
        "validation": data.x_val is not None and data.y_val is not None,
        "validation_weighted": data.weight_val is not None,
        "indexed": data.rows is not None,
        "validation_indexed": data.x_val is not None and data.rows_val is not None,
        "bootstrap": task.bootstrap,
        "widths": hyper.widths is not None,
        "class_weighted": data.class_weight is not None,
        "validation_class_weighted": data.class_weight_val is not None,
        "l2_over_rows": task.l2_over_rows,
    }
    return (
        ("sizes", model.sizes),
        ("activations", tuple(code("activation", name) for name in model.activations)),
        ("loss", _loss_code(task.loss)),
        ("optimizer", code("optimizer", "adam" if is_adam else "sgd")),
        ("options", sum(1 << i for i, name in enumerate(OPTIONS) if present.get(name))),
        ("batch_size", task.batch_size),
        ("threads", THREADS),
    )


def _range(part: RowSet | None) -> tuple[Any, Any]:
    return (0, 0) if part is None else part.range()


def _logits(task: Task, params: Params, visited: RowSet, hyper: Hyper) -> Array:
    del hyper  # padded units have no weights going out
    logits = apply_mlp.call(task.model, params, visited.x, visited.rows, visited.range(), visited.most)
    return jnp.pad(logits, ((0, visited.filled - visited.most), (0, 0)))


def _int32(*values: Any) -> Array:
    return jnp.stack([jnp.asarray(value).astype(jnp.int32) for value in values])


def _loss_code(loss: Loss) -> int | None:
    return code("loss", loss_name(loss))
