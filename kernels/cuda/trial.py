"""Whether a run's program can be launched here: found out before the run, by a launch that has nothing to do.

A launch that fails in the midst of a run is an error of the run, which begins anew with XLA (`kernels/spare.py`). So
where nobody asked for the kernel by name, it is known beforehand, and XLA trains. A trial is the pass itself, over
one batch of zeros, for a member that does not go on: the program is compiled and loaded, gets its shared memory, and
is launched in blocks of its own size.
"""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.kernels.cuda import machine as machines
from jaxbm.kernels.cuda import train
from jaxbm.kernels.cuda.machine import Machine
from jaxbm.kernels.cuda.plan import Plan, plan
from jaxbm.models.protocol import Params
from jaxbm.run import loop
from jaxbm.run.contract import Data, Hyper, Run, Task

_found: dict[tuple[Plan, Machine], str | None] = {}
_lock = threading.Lock()
_OWN = re.compile(r"CUDA: [^\n]* failed: [^\n]*|the CUDA driver [^\n]*|NVRTC could not [^\n]*|jaxbm_cuda: [^\n]*")
"""What `host/launch.cc` says where it fails."""
_fallen: list[str] = []
"""Of a run whose launch failed though its trial had come through: nothing is launched by itself after that."""


def failure(run: Run) -> str | None:
    """Why the program of a run can't be launched here; None where a launch of it came through.

    It is tried once for each plan, which takes as long as compiling it.
    """
    machine = machines.machine()
    if isinstance(machine, str):
        return machine
    if _fallen:
        return _fallen[0]
    laid_out = plan(train.shape_of(run), machine.architecture)
    if isinstance(laid_out, str):
        return laid_out
    with _lock:  # who asks for the same meanwhile waits
        if (laid_out, machine) not in _found:
            _found[laid_out, machine] = _failure(run, machine, laid_out.shape.batch)
        return _found[laid_out, machine]


def fell(message: str) -> bool:
    """Whether a run's error is a launch's of ours; the first one is what `failure` gives from then on."""
    found = _OWN.search(message)
    if found is None:
        return False
    with _lock:
        _fallen.append(found[0])
    return True


def forget() -> None:
    """Try everything anew."""
    with _lock:
        _found.clear()
        _fallen.clear()


def _failure(run: Run, machine: Machine, batch: int) -> str | None:
    data, hyper = _idle(run, batch)
    task = replace(run.task, epochs=1)
    # In a thread of its own: there, no transformation, mesh or setting of the caller's is in force, but that on which
    # the plan depends.
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1, "jaxbm-trial") as pool:
        try:
            pool.submit(_launched, precision, task, machine, data, hyper).result()
        except Exception as error:  # whatever it is: the run is spared it
            return (str(error) or type(error).__name__).splitlines()[0]
    return None


def _idle(run: Run, batch: int) -> tuple[Data, Hyper]:
    """Zeros in the place of the run's rows, no more of them than a batch has, and of its numbers."""

    def zeros(leaf: Any) -> Any:
        return np.zeros(jnp.shape(leaf), jnp.result_type(leaf))

    def rows(leaf: Any) -> Any:
        return np.zeros((batch, *jnp.shape(leaf)[1:]), jnp.result_type(leaf))

    given, optimizer = run.data, run.hyper.optimizer
    data = jax.tree.map(rows, Data(given.x, given.y, given.weight, rows=given.rows))
    data = data._replace(
        **jax.tree.map(zeros, {name: getattr(given, name) for name in ("start", "count", "class_weight")})
    )
    if callable(optimizer.learning_rate):  # it may hold arrays of a transformation's
        optimizer = replace(optimizer, learning_rate=_no_rate)
    return data, jax.tree.map(zeros, run.hyper._replace(optimizer=optimizer, patience=None))


def _no_rate(count: Any) -> Any:
    return jnp.zeros((), jnp.float32)


def _launched(precision: Any, task: Task, machine: Machine, data: Data, hyper: Hyper) -> None:
    params = jax.eval_shape(task.model.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), params)

    def one_pass(params: Params, data: Data, hyper: Hyper) -> Params:
        state = loop.init(task, params, None, data, hyper)._replace(active=jnp.zeros((), bool))
        words = (jnp.zeros((), jnp.uint32),) * 2
        return train.launch(task, machine, state, data, hyper, words)[0]  # the loss of no row would be NaN

    placed = jax.device_put((params, data, hyper), jax.local_devices()[0])
    with jax.default_matmul_precision(precision):
        jax.block_until_ready(jax.jit(one_pass)(*placed))
