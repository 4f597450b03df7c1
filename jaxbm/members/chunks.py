"""Members in training: their state on the device, advanced in chunks of epochs.

A kernel skips members that have finished, so there they cost nothing. XLA computes every member it is given; so on
that path those still going are gathered into a smaller state from time to time, and put back at the end.
"""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import counter
from jaxbm.core.halves import merged
from jaxbm.core.keys import host_data, member_words
from jaxbm.core.mapping import mapped
from jaxbm.kernels import dispatch
from jaxbm.members.checkpoint import Checkpoint
from jaxbm.members.progress import MembersInterrupted, MembersProgress, Report, deferred_interrupt, reporter
from jaxbm.members.stacking import Inputs
from jaxbm.run.contract import RunState, Task
from jaxbm.training.host_start import host_start
from jaxbm.training.whole_run import FitResult, begun, final_state, next_chunk, result_of, whole_run

COMPACTION_FLOPS = 2e10
"""A smaller state means compiling anew, about a second: it has to save more than a CPU computes in that time."""
ACCELERATION = 100.0
"""How much more XLA computes in that time on a GPU or TPU."""
REPORT_SECONDS, QUIET_SECONDS = 1.0, 2.0
"""About how long a chunk takes, with and without reports of progress: Ctrl-C and checkpoints wait for its end. Each
call costs 2 to 3 us for every member, however little there is to do: that is to be lost in the time it takes."""
FIRST_FLOPS = 5e10
"""The first chunk, before anything was timed, takes about so many operations: some tenths of a second or seconds."""
LEAST_STEP_FLOPS = 2e4
"""What a step takes at least, counted as operations, however small the network."""
LEAST_LAUNCHED_FLOPS = 1e8
"""The same on a GPU or TPU, for all members together: the time of starting some twenty kernels."""
SHORT_SECONDS = 5.0
"""A run with less training than that which is not kept yet is not kept at its end: writing would be a noticeable part
of the time, and training again is as quick."""
XLA_CHUNKS = 16
"""Into how many chunks a run is cut on the XLA path where members may finish at different times, none of them shorter
than that part of what a compaction has to save."""


class Run:
    """The state of many members between chunks of epochs.

    Args:
      task, name: what is trained, by which implementation.
      keys: `[M]`.
      own, shared: what each member reads, split by `core.halves.split`.
      checkpoint: where the state is kept between chunks; what it holds is gone on from.
    """

    def __init__(
        self, task: Task, name: str, keys: Array, own: Inputs, shared: Inputs, checkpoint: Checkpoint | None = None
    ):
        self.task, self.name, self.members, self.checkpoint = task, name, keys.shape[0], checkpoint
        like = partial(jax.eval_shape, partial(_begin, task, "xla"), keys, own, shared)
        kept = None if checkpoint is None else checkpoint.load(like)
        self.state: RunState
        self.state, self.seconds = (_begun(task, name, keys, own, shared), 0.0) if kept is None else kept
        self._words = member_words(keys)
        self._own, self._shared = (part._replace(params=None, opt_state=None) for part in (own, shared))
        self._part: tuple[np.ndarray, RunState, counter.Words, Inputs] | None = None
        self._seen: Any = (
            None if kept is not None else (np.ones(self.members, bool), np.zeros(self.members, np.int32))
        )
        self._steps = np.broadcast_to(steps_per_epoch(task, own, shared), self.members)
        epochs = merged(own, shared).hyper.epochs
        self._epochs = np.broadcast_to(task.epochs if epochs is None else np.asarray(epochs), self.members)

    def advance(self, stop: int) -> None:
        """Train until epoch `stop`, exclusive."""
        if self._part is None:
            self.state, self._seen = self._advance(self.state, self._words, self._own, stop)
        else:
            index, state, words, own = self._part
            state, self._seen = self._advance(state, words, own, stop)
            self._part = index, state, words, own

    def going(self) -> np.ndarray:
        """bool `[M]`: members with epochs left to do."""
        mask = np.zeros(self.members, bool)
        index = np.arange(self.members) if self._part is None else self._part[0]
        active, epoch = self.seen()
        mask[index] = active & (epoch < self._epochs[index])
        return mask

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the members in training, which are active, and the epoch that each is in; waits for the device once."""
        if self._seen is None:
            self._seen = _seen(self.state if self._part is None else self._part[1])
        if not isinstance(self._seen, tuple):
            epoch = np.asarray(self._seen)
            self._seen = epoch >= 0, np.where(epoch < 0, ~epoch, epoch)
        return self._seen

    def retire(self, mask: np.ndarray) -> None:
        """Stop members for good where `mask` `[M]` is True."""
        self.gather()
        self.state, self._seen = self.state._replace(active=self.state.active & ~jnp.asarray(mask)), None

    def compact(self) -> None:
        """On the XLA path, go on with fewer members where that pays."""
        if self.name != "xla":
            return
        going = self.going()
        now = self.members if self._part is None else len(self._part[0])
        size = 1 << max(0, int(going.sum()) - 1).bit_length()
        epochs_left = self.task.epochs - int(self.seen()[1].max())
        rows = float(self._steps.mean()) * self.task.batch_size
        saved = 6.0 * self.task.model.n_params * rows * epochs_left * (now - size)
        if not going.any() or size >= now or saved < compaction_flops():
            return
        self.gather()
        # Filled up to a power of two by members that are finished, so that few shapes are compiled.
        index = np.concatenate([np.flatnonzero(going), np.flatnonzero(~going)])[:size]
        self._part, self._seen = (index, *_taken((self.state, self._words, self._own), jnp.asarray(index))), None

    def gather(self) -> None:
        """Put the members that went on in a smaller state back to their places."""
        if self._part is not None:
            index, state, _, _ = self._part
            self.state = _put_back(self.state, state, jnp.asarray(index))
            self._part, self._seen = None, None

    def result(self) -> FitResult:
        """Everything so far."""
        self.gather()
        return result_of(self.state)

    def keep(self, seconds: float = 0.0) -> None:
        """Write the state to the checkpoint, if there is one that lacks at least so many seconds of training."""
        if self.checkpoint is not None and self.checkpoint.unkept(self.seconds) >= seconds:
            self.gather()
            self.checkpoint.save(self.state, self.seconds)

    def forget(self) -> None:
        """Remove what the checkpoint keeps."""
        if self.checkpoint is not None:
            self.checkpoint.remove()

    def told(self) -> MembersProgress:
        """How far the run is."""
        self.gather()
        run, value, going = np.asarray(self.state.epochs_run), np.asarray(self.state.best_value), self.going()
        left = np.where(going, self._epochs - np.asarray(self.state.epoch), 0)
        best, sign = int(np.argmin(value)), -1 if self.task.monitor_mode == "max" else 1
        return MembersProgress(
            epochs_done=int(run.max()),
            epochs=self.task.epochs,
            members_done=int((~going).sum()),
            members=self.members,
            best_member=best,
            best_value=sign * float(value[best]),
            steps=int((run.astype(np.int64) * self._steps).sum()),
            steps_left=int((left.astype(np.int64) * self._steps).sum()),
            seconds=self.seconds,
        )

    def epochs_in(self, flops: float) -> int:
        """About how many epochs of all members take so many operations, at least one."""
        step = max(6.0 * self.task.model.n_params * self.task.batch_size, LEAST_STEP_FLOPS)
        epoch = step * float(self._steps.sum())
        if _is_accelerated():
            epoch = max(epoch, LEAST_LAUNCHED_FLOPS * float(self._steps.max()))
        return max(1, int(flops / epoch))

    def _advance(self, state: RunState, words: counter.Words, own: Inputs, stop: int) -> tuple[RunState, Any]:
        return advanced_members(self.task, self.name, state, words, own, self._shared, stop)


def train(run: Run, progress: bool | Report = False, stop: int | None = None) -> None:
    """Advance a run to its end, or to epoch `stop`, in chunks short enough to stop between them.

    Raises:
      MembersInterrupted: Ctrl-C was pressed; the chunk is finished and the state kept first.
    """
    stop = run.task.epochs if stop is None else stop
    done, before = int(run.seen()[1].max()), run.seconds
    shortest = run.epochs_in(compaction_flops() / XLA_CHUNKS)
    most = max(shortest, (stop - done) // XLA_CHUNKS) if run.name == "xla" else stop
    seconds = REPORT_SECONDS if progress is not False else QUIET_SECONDS
    chunk = min(most, run.epochs_in(FIRST_FLOPS * (ACCELERATION if _is_accelerated() else 1)))
    if progress is not False:
        chunk = 1
    with deferred_interrupt() as interrupted, reporter(progress) as report:
        began = time.perf_counter()
        while done < stop and run.going().any():
            started = time.perf_counter()
            chunk = chunk if 3 * chunk < 2 * (stop - done) or run.name == "xla" else stop - done  # no small rest
            done = min(done + chunk, stop)
            run.advance(done)
            run.seen()  # the only thing that comes to the host
            chunk = min(most, next_chunk(chunk, time.perf_counter() - started, seconds))
            run.seconds = before + time.perf_counter() - began
            if report is not None:
                report(run.told())
            if interrupted():
                run.keep()
                raise MembersInterrupted(run.result(), run.told())
            if run.checkpoint is not None and run.checkpoint.is_due(run.seconds):
                run.keep()
            run.compact()
    run.gather()


@partial(jax.jit, static_argnums=(0, 1))
def whole(task: Task, name: str, keys: Array, own: Inputs, shared: Inputs) -> FitResult:
    """All epochs of all members in one compiled call."""

    def one(key: Array, own: Inputs) -> FitResult:
        return whole_run(task, name, key, *merged(own, shared))

    return mapped(one, keys, own)


def whole_directly(task: Task, name: str, keys: Array, own: Inputs, shared: Inputs) -> FitResult:
    """`whole` outside of every transformation: where a kernel trains, compiled in a fraction of the time."""
    if not dispatch.has_direct_runner(name):
        return whole(task, name, keys, own, shared)
    state = _host_start(task, name, keys, own, shared)
    if state is None:
        return result_of(_whole_state(task, name, keys, own, shared))
    own, shared = (part._replace(params=None, opt_state=None) for part in (own, shared))
    return result_of(advanced_members(task, name, state, member_words(keys), own, shared, task.epochs)[0])


def advanced_members(
    task: Task, name: str, state: RunState, words: counter.Words, own: Inputs, shared: Inputs, stop: int
) -> tuple[RunState, Any]:
    """The state at epoch `stop`, and what the host looks at of it; the state before is given up."""
    found = dispatch.run_from_host(name, task, state, words, own[:2], shared[:2], stop, lead=1)
    if found is None:
        after: tuple[RunState, Any] = _advance(task, name, state, words, own, shared, np.int32(stop))
        return after
    return found, (np.asarray(found.active), np.asarray(found.epoch))


def _host_start(task: Task, name: str, keys: Array, own: Inputs, shared: Inputs) -> RunState | None:
    data, hyper, params, opt_state = merged(own, shared)
    all_own = params is None or not jax.tree.leaves(shared.params)
    return host_start(task, name, host_data(keys), data, hyper, params) if opt_state is None and all_own else None


def _begun(task: Task, name: str, keys: Array, own: Inputs, shared: Inputs) -> RunState:
    state = _host_start(task, name, keys, own, shared)
    return _begin(task, name, keys, own, shared) if state is None else state


@partial(jax.jit, static_argnums=(0, 1))
def _whole_state(task: Task, name: str, keys: Array, own: Inputs, shared: Inputs) -> RunState:
    def one(key: Array, own: Inputs) -> RunState:
        return final_state(task, name, key, *merged(own, shared))

    return mapped(one, keys, own)


def may_compact(task: Task, own: Inputs, shared: Inputs, members: int, early: bool) -> bool:
    """Whether compaction would pay if half of the members went non-finite at once, or where some may be through
    `early` all but one of them: then XLA trains in chunks."""
    rows = float(np.mean(steps_per_epoch(task, own, shared))) * task.batch_size
    spared = members - 1 if early else members // 2
    return 6.0 * task.model.n_params * rows * task.epochs * spared >= compaction_flops()


def compaction_flops() -> float:
    """How many operations a compaction has to save, here."""
    return COMPACTION_FLOPS * (ACCELERATION if _is_accelerated() else 1.0)


def _is_accelerated() -> bool:
    return jax.default_backend() != "cpu"


def steps_per_epoch(task: Task, own: Inputs, shared: Inputs) -> Any:
    """Optimizer steps that an epoch takes: a number, or one for each member."""
    data = shared.data
    count: Any = own.data.count if own.data.count is not None else data.count
    if count is None:
        listed = own.data.rows if own.data.rows is not None else data.rows
        theirs = jax.tree.leaves(own.data.x)
        rows = theirs[0].shape[1] if theirs else jax.tree.leaves(data.x)[0].shape[0]
        count = rows if listed is None else listed.shape[-1]
    count = np.asarray(count)
    return -(-count // np.maximum(1, np.minimum(task.batch_size, count)))


@partial(jax.jit, static_argnums=(0, 1))
def _begin(task: Task, name: str, keys: Array, own: Inputs, shared: Inputs) -> RunState:
    def one(key: Array, own: Inputs) -> RunState:
        data, hyper, params, opt_state = merged(own, shared)
        return begun(task, name, key, data, hyper, params, opt_state)

    # Copies, since the state is donated from chunk to chunk: no two parts may share a buffer.
    return jax.tree.map(jnp.copy, mapped(one, keys, own))


@dispatch.compiled
def _advance(
    task: Task, name: str, state: RunState, words: counter.Words, own: Inputs, shared: Inputs, stop: Any
) -> tuple[RunState, Array]:
    """The state at epoch `stop`, and what the host looks at of it."""

    def one(state: RunState, words: counter.Words, own: Inputs) -> RunState:
        data, hyper, _, _ = merged(own, shared)
        return dispatch.runner(name, differentiable=False)(task, state, data, hyper, words, stop)

    state = mapped(one, state, words, own)
    return state, _seen(state)


@jax.jit
def _seen(state: RunState) -> Array:
    """int32 `[M]`: the epoch that each member is in, `~epoch` of those that are through; one array, fetched once."""
    return jnp.where(state.active, state.epoch, ~state.epoch)


@jax.jit
def _taken(tree: Any, index: Array) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], tree)


@partial(jax.jit, donate_argnums=0)
def _put_back(state: RunState, part: RunState, index: Array) -> RunState:
    return jax.tree.map(lambda whole, new: whole.at[index].set(new), state, part)
