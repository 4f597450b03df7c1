"""The training run as one native function: the reference loop itself, compiled by `jaxbm.accelerate`.

There is no second description of training here. Whatever loss, optimizer or model a run has, its loop is traced as
XLA would have it and compiled as a whole; a run whose loop can't be is refused, with the reason.
"""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxbm.core.counter import Words
from jaxbm.kernels.program import machine
from jaxbm.kernels.program.accelerate import accelerate
from jaxbm.run import loop
from jaxbm.run.contract import Data, Hyper, Run, RunState, Task


def off() -> str | None:
    """Why nothing can be compiled on this machine; None where it can."""
    return machine.HINT if machine.llvm() is None else None


def status() -> str:
    """Whether it is on, and for which processor, or why it is off."""
    return off() or f"on (LLVM {'.'.join(map(str, machine.llvm().llvm_version_info))}, {machine.name()})"


def slower(run: Run) -> str | None:
    """Why another one is taken where nobody asks: a random program still differs from XLA's (`tests/program`).

    Until that is understood, a whole run is compiled for those who ask for it by name.
    """
    del run
    return "it has to be asked for by name"


def unsupported(run: Run) -> str | None:
    """Why the loop of this run can't be one native function; None where it can."""
    shapes = jax.tree.map(_shape, (run.data, run.hyper, run.params, run.opt_state))
    leaves, tree = jax.tree.flatten(shapes)
    return _refused(run.task, tree, tuple(leaves))


def run(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None = None) -> RunState:
    """`loop.run`, as one native function; under differentiation and on other platforms it is `loop.run`."""
    return accelerate(_Loop(task), require=True)(state, data, hyper, words, stop)


class _Loop:
    """`loop.run` of one task, with a name for listings."""

    __name__ = "training"

    def __init__(self, task: Task):
        self.task = task

    def __call__(self, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None) -> RunState:
        return loop.run(self.task, state, data, hyper, words, stop)


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf))


@lru_cache(maxsize=1024)
def _refused(task: Task, tree: Any, leaves: tuple[jax.ShapeDtypeStruct, ...]) -> str | None:
    from jaxbm.kernels.program.ir import NotNative
    from jaxbm.kernels.program.traced import trace_jaxpr

    data, hyper, params, opt_state = jax.tree.unflatten(tree, leaves)

    def begun(key: Array, data: Data, hyper: Hyper, params: Any, opt_state: Any) -> RunState:
        return loop.init(task, task.model.init(key) if params is None else params, opt_state, data, hyper)

    key = jax.eval_shape(partial(jax.random.key, 0))
    state = jax.eval_shape(begun, key, data, hyper, params, opt_state)
    word = jax.ShapeDtypeStruct((), jnp.uint32)
    try:
        trace_jaxpr(jax.make_jaxpr(_Loop(task))(state, data, hyper, (word, word), None))
    except NotNative as reason:
        return f"its loop can't be one native function: {reason}"
    except Exception as error:  # of the user's own functions; XLA's path raises it where it belongs
        return f"its loop can't be traced: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return None
