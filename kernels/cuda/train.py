"""A training run whose epochs are launches of the CUDA kernel, a block for each member.

The loop around them is the reference: validation, early stopping, metrics, history and checkpoints are its.
"""

import ctypes
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core.counter import Words
from jaxbm.core.precision import Precision, used
from jaxbm.kernels.allow import unknown_options
from jaxbm.kernels.calls import kernel_call
from jaxbm.kernels.cuda import machine as machines
from jaxbm.kernels.cuda import measured, programs
from jaxbm.kernels.cuda.plan import FLAGS, PRECISIONS, Plan, Shape, plan
from jaxbm.kernels.cuda.vocabulary import codes
from jaxbm.kernels.mlp.settings import (
    labels_of,
    loss_name,
    network_unsupported,
    numbers_of,
    rates_of,
    run_unsupported,
    words_of,
)
from jaxbm.models.protocol import Params
from jaxbm.optimizers import Adam, AdamState, SgdState
from jaxbm.run import loop
from jaxbm.run.contract import Data, Hyper, Run, RunState, Task
from jaxbm.run.rows import RowSet, training_rows

KNOWN_TASK = (
    "model", "loss", "batch_size", "epochs", "shuffle", "metrics", "monitor", "monitor_mode", "most_rows",
    "most_rows_val", "bootstrap", "precision", "evaluation_rows", "l2_over_rows",
)  # fmt: skip
KNOWN_DATA = Data._fields
KNOWN_HYPER = ("optimizer", "l2", "clip_norm", "dropout", "patience", "min_delta", "epochs", "widths")
MAX_LAYERS = 16
"""A launch's arguments have room for so many layers' parameters and moments."""


def off() -> str | None:
    """Why nothing can be launched on this machine; None where it can."""
    found = machines.machine()
    return found if isinstance(found, str) else None


def status() -> str:
    """Whether it is on, and for which architecture, or why it is off."""
    found = machines.machine()
    return found if isinstance(found, str) else f"on ({found.architecture})"


def unsupported(run: Run) -> str | None:
    """Why the kernel does not cover this run; None where it does."""
    task, known = run.task, codes("ACTIVATIONS")
    if (reason := network_unsupported(task.model, MAX_LAYERS, known.__contains__)) is not None:
        return reason
    if (reason := run_unsupported(run, knows_loss=_loss_code(task.loss) is not None)) is not None:
        return reason
    if (reason := unknown_options(run, KNOWN_TASK, KNOWN_DATA, KNOWN_HYPER)) is not None:
        return reason
    laid_out = plan(shape_of(run), machines.architecture())
    return laid_out if isinstance(laid_out, str) else None


def slower(run: Run) -> str | None:
    """Why XLA is the faster one at this run, here; None where it isn't."""
    if jax.default_backend() != "gpu":
        return f"JAX's default backend here is {jax.default_backend()}, and the kernel is for NVIDIA GPUs"
    return unsupported(run) or measured.slower(run, machines.architecture())


def run(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None = None) -> RunState:
    """`loop.run`, an epoch's pass over its rows being one launch for all members."""
    return loop.run(task, state, data, hyper, words, stop, one_pass=_one_pass)


def _loss_code(loss: Any) -> str | None:
    return codes("LOSSES").get(loss_name(loss) or "")


def shape_of(run: Run) -> Shape:
    """What the run's program computes."""
    task, data, hyper, optimizer = run.task, run.data, run.hyper, run.hyper.optimizer
    is_adam = isinstance(optimizer, Adam)
    flags = {
        "BIAS": task.model.use_bias,
        "NESTEROV": optimizer.nesterov,
        "MOMENTUM": not is_adam and optimizer.momentum is not None,
        "DECAY": is_adam and optimizer.weight_decay is not None,
        "L2": hyper.l2 is not None,
        "L2_OVER_ROWS": task.l2_over_rows,
        "CLIP": hyper.clip_norm is not None,
        "DROPOUT": hyper.dropout is not None,
        "WIDTHS": hyper.widths is not None,
        "SCHEDULE": callable(optimizer.learning_rate),
        "SHUFFLE": task.shuffle,
        "BOOTSTRAP": task.bootstrap,
        "INDEXED": data.rows is not None,
        "ROW_WEIGHTS": data.weight is not None,
        "CLASS_WEIGHTS": data.class_weight is not None,
    }
    assert set(flags) == set(FLAGS)
    known = codes("ACTIVATIONS")
    return Shape(
        sizes=task.model.sizes,
        activations=tuple(known[name] for name in (*task.model.activations, "identity")),
        loss=str(_loss_code(task.loss)),
        optimizer=codes("OPTIMIZERS")["adam" if is_adam else "sgd"],
        batch=min(task.batch_size, training_rows(task, data).most),
        flags=frozenset(name for name, is_on in flags.items() if is_on),
        precision=least_precision(task.precision),
    )


def least_precision(precision: str | None) -> str:
    """The least of a run's products here: XLA's, but three parts of TF32, which are as good as float32, where nobody
    asked for less."""
    if used(precision) not in ("tf32", "bfloat16"):  # JAX's setting may name an algorithm, of any precision
        return "float32"
    return "tf32_3x" if precision is None else "tf32"


def precision(run: Run) -> Precision:
    """In which numbers the kernel computes a run's products of float32, here."""
    laid_out = plan(shape_of(run), machines.architecture())
    return Precision(PRECISIONS[laid_out.parts] if isinstance(laid_out, Plan) else "float32")


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _one_pass(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words) -> tuple[Params, Any, Array]:
    found = machines.machine()
    if isinstance(found, str):
        raise NotImplementedError(f"implementation='cuda': {found}")
    # Lowered for another platform, the call would name a kernel that does not exist there.
    branches = {found.platform: partial(launch, task, found)}
    return lax.platform_dependent(state, data, hyper, words, default=partial(loop.pass_over_rows, task), **branches)


@_one_pass.defjvp
def _one_pass_jvp(task: Task, primals: Any, tangents: Any) -> Any:
    return jax.jvp(partial(loop.pass_over_rows, task), primals, tangents)


def launch(
    task: Task, machine: machines.Machine, state: RunState, data: Data, hyper: Hyper, words: Words
) -> tuple[Params, Any, Array]:
    """An epoch's pass over its rows, for those whose arrays are the GPU's: parameters, optimizer's state, loss."""
    visited = training_rows(task, data)
    laid_out = plan(shape_of(Run(task, data, hyper)), machine.architecture)
    library = machines.launcher()
    assert isinstance(laid_out, Plan)
    assert isinstance(library, ctypes.CDLL)
    program = programs.begin(library, laid_out, machine.architecture, machine.build)

    opt, optimizer = state.opt_state, hyper.optimizer
    is_adam = isinstance(optimizer, Adam)
    moments = (opt.mu, opt.nu) if is_adam else (opt.trace,)
    leaves, tree = jax.tree.flatten((state.params, moments))
    count = visited.most if visited.count is None else visited.count
    size = min(task.batch_size, visited.most)
    arguments = _arguments(task, state, visited, hyper, words, -(-visited.most // size))
    attributes = (
        ("changed", len(leaves)),
        ("program", program),
        ("threads", laid_out.threads),
        ("shared", laid_out.shared_bytes),
        ("numbers", (visited.x.shape[0], 1 if data.class_weight is None else data.class_weight.shape[0])),
    )
    results = (((2,), jnp.dtype("float32")),)
    *out, sums = kernel_call(machines.TARGET, attributes, tuple(range(len(leaves))), results)(*leaves, *arguments)
    params, moments = jax.tree.unflatten(tree, out)
    made = jnp.asarray(-(-count // size), opt.count.dtype)
    most = jnp.iinfo(opt.count.dtype).max
    counted = jnp.where(opt.count < most - made, opt.count + made, most).astype(opt.count.dtype)
    opt_state = AdamState(counted, *moments) if is_adam else SgdState(counted, *moments)
    unknown = (sums[1] == 0) | visited.is_strange()  # where no row counts, nothing was learnt
    return params, opt_state, jnp.where(unknown, jnp.nan, sums[0] / jnp.where(unknown, 1, sums[1]))


def _arguments(
    task: Task, state: RunState, visited: RowSet, hyper: Hyper, words: Words, most_steps: int
) -> list[Array]:
    """What the kernel reads, in the order of `device/shape.h`."""
    optimizer, before = hyper.optimizer, state.opt_state.count
    start, count = visited.range()
    going = loop.is_going(state, hyper)
    ints = [jnp.asarray(value).astype(jnp.int32) for value in (going, state.epoch, start, count, before)]
    arguments = [
        visited.x,
        labels_of(task, visited.y),
        words_of(words, hyper.dropout),
        jnp.stack(ints),
        numbers_of(task.loss, optimizer, hyper),
        rates_of(optimizer, before, most_steps),
    ]
    if hyper.widths is not None:
        arguments.append(hyper.widths.astype(jnp.int32))
    arguments += [w.astype(jnp.float32) for w in (visited.weight, visited.class_weight) if w is not None]
    return [*arguments, *([] if visited.rows is None else [visited.rows])]
