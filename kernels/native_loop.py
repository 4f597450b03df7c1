"""The training run as one native function: the reference loop itself, compiled by `jaxbm.accelerate`.

There is no second description of training here. Whatever loss, optimizer or model a run has, its loop is traced as
XLA would have it and compiled as a whole; a run whose loop can't be is refused, with the reason.
"""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.counter import Words
from jaxbm.kernels.program import machine
from jaxbm.kernels.program.accelerate import accelerate
from jaxbm.models.protocol import shapes_of
from jaxbm.run import loop
from jaxbm.run.contract import Data, Hyper, Run, RunState, Task

XLA_FASTER_PARAMS = 300_000
"""From about here XLA's matrix products, shared among threads, are ahead of one core's."""


def off() -> str | None:
    """Why nothing can be compiled on this machine; None where it can."""
    return machine.HINT if machine.llvm() is None else None


def status() -> str:
    """Whether it is on, and for which processor, or why it is off."""
    return off() or f"on (LLVM {'.'.join(map(str, machine.llvm().llvm_version_info))}, {machine.name()})"


def slower(run: Run) -> str | None:
    """Why XLA is the faster one at this run, here; None where it isn't."""
    if jax.default_backend() != "cpu":
        return f"JAX's default backend here is {jax.default_backend()}, and native functions are for CPUs"
    if run.task.model.n_params > XLA_FASTER_PARAMS:
        return f"from {XLA_FASTER_PARAMS:,} parameters on, XLA's matrix products are faster"
    return _judged(run).slower


def unsupported(run: Run) -> str | None:
    """Why the loop of this run can't be one native function; None where it can."""
    return _judged(run).unsupported


def run(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None = None) -> RunState:
    """`loop.run`, as one native function; under differentiation and on other platforms it is `loop.run`."""
    if stop is None:
        whole: RunState = _whole(task)(state, data, hyper, words)
        return whole
    return accelerate(_loop(task), require=True)(state, data, hyper, words, stop)


@lru_cache(maxsize=256)
def _whole(task: Task) -> Any:
    """The loop to its end: the same program as that until any epoch, so the same bits, whoever asks.

    Only a scan has derivatives in reverse, which may be written out and then rounds elsewhere: it stands in for the
    loop where one differentiates.
    """
    native = accelerate(_loop(task), require=True)

    @jax.custom_jvp
    def whole(*arguments: Any) -> RunState:
        state: RunState = native(*arguments, np.int32(task.epochs))
        return state

    @whole.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return jax.jvp(lambda *arguments: native(*arguments, None), primals, tangents)

    return whole


def begin(start: Any) -> Any:
    """`start`, which makes the state before the first epoch, as a native function where it can be one.

    Drawing some layers' parameters takes XLA longer to compile than all of the loop takes here.
    """
    native = accelerate(start, require=True)

    def begun(*arguments: Any) -> RunState:
        try:
            state: RunState = native(*arguments)
        except NotImplementedError:
            state = start(*arguments)
        return state

    return begun


class _Loop:
    """`loop.run` of one task, with a name for listings."""

    __name__ = "training"

    def __init__(self, task: Task):
        self.task = task

    def __call__(self, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None) -> RunState:
        return loop.run(self.task, state, data, hyper, words, stop)


@lru_cache(maxsize=256)
def _loop(task: Task) -> Any:
    """The loop of a task, jitted: JAX traces it once for those who judge it and those who compile it."""
    return jax.jit(_Loop(task))


_Shape = tuple[tuple[int, ...], Any, bool]


def _shape(leaf: Any) -> _Shape:
    """Shape, dtype, and whether the type is weak: what is traced to judge a run is then what is compiled."""
    if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):
        return leaf.shape, leaf.dtype, bool(leaf.weak_type)
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype), False
    return (), jnp.result_type(leaf), not isinstance(leaf, bool)


class _Verdict(NamedTuple):
    """Why a run's loop can't be one native function, and why XLA would be faster at it."""

    unsupported: str | None = None
    slower: str | None = None


def _judged(run: Run) -> _Verdict:
    leaves, tree = jax.tree.flatten((run.data, run.hyper, run.params, run.opt_state))
    return _judged_by_shapes(run.task, tree, tuple(map(_shape, leaves)))


@lru_cache(maxsize=1024)
def _judged_by_shapes(task: Task, tree: Any, leaves: tuple[_Shape, ...]) -> _Verdict:
    from jaxbm.kernels.program import cost
    from jaxbm.kernels.program.ir import NotNative
    from jaxbm.kernels.program.traced import keep_for_build, trace_jaxpr

    shapes = [jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in leaves]
    data, hyper, params, opt_state = jax.tree.unflatten(tree, shapes)
    params = shapes_of(task.model) if params is None else params
    state = jax.eval_shape(partial(loop.init, task), params, opt_state, data, hyper)
    word, stop = jax.ShapeDtypeStruct((), jnp.uint32), jax.ShapeDtypeStruct((), jnp.int32)
    try:
        closed = jax.make_jaxpr(_loop(task))(state, data, hyper, (word, word), stop)
        program = trace_jaxpr(closed)
        keep_for_build(closed, program)
    except NotNative as reason:
        return _Verdict(f"its loop can't be one native function: {reason}")
    except Exception as error:  # of the user's own functions; XLA's path raises it where it belongs
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        return _Verdict(f"its loop can't be traced: {message}")
    return _Verdict(slower=cost.reason_for_xla(program.block))
