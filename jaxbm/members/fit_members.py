"""`fit_members`: M training runs in one call, each free to differ from the others."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core import checks
from jaxbm.core.calls import helpful
from jaxbm.core.device import placed
from jaxbm.core.fingerprint import fingerprint
from jaxbm.core.halves import split
from jaxbm.core.precision import Precision
from jaxbm.core.settings import callers_level, non_finite_is_told, whole_on_each
from jaxbm.kernels import dispatch
from jaxbm.kernels.spare import spared
from jaxbm.members import chunks, member_data, stacking, widths
from jaxbm.members.checkpoint import Checkpoint
from jaxbm.members.progress import MembersInterrupted, Report
from jaxbm.members.result import MembersResult, NonFiniteMembersWarning
from jaxbm.members.stacking import Inputs
from jaxbm.models.protocol import Model, Params, as_model
from jaxbm.privacy.spent import PrivacySpent
from jaxbm.run import private_runs
from jaxbm.run.accepts import Accepts
from jaxbm.run.contract import Data, Hyper, Run, Task, evaluation_rows
from jaxbm.run.options import NUMBERS, TrainingOptions
from jaxbm.run.training import Training
from jaxbm.training.whole_run import FitResult


@dataclass(frozen=True)
class Setup:
    """Everything that training needs, checked and split into what is each member's own and what is shared."""

    task: Task
    name: str
    """the implementation"""
    keys: Array
    own: Inputs
    shared: Inputs
    models: tuple[Model, ...]
    precision: Precision
    """in which numbers products of float32 are computed"""
    privacy: PrivacySpent | None = None
    """what all members together tell of any one row"""

    @property
    def is_traced(self) -> bool:
        """Inside a transformation: no checks of values, nothing on the host."""
        return checks.is_traced(self.keys, self.own, self.shared)

    def run(self, checkpoint: Checkpoint | None = None) -> chunks.Run:
        """Its members before the first epoch, or as far as the checkpoint has them."""
        return chunks.Run(self.task, self.name, self.keys, self.own, self.shared, checkpoint)

    def checkpoint(self, folder: str | os.PathLike[str] | None) -> Checkpoint | None:
        """Where such a run is kept in `folder`, if there is one."""
        if folder is None:
            return None
        described = (self.task, self.name, self.keys, self.own, self.shared)
        return Checkpoint(folder, partial(fingerprint, *described))


ACCEPTS = Accepts("fit_members", many=True)


@ACCEPTS.documented
@helpful
@non_finite_is_told
@spared
def fit_members(
    keys: Array,
    model: Model | Sequence[Model],
    x: Any,
    y: Any,
    *,
    members: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | Report = False,
    **options: Unpack[TrainingOptions],
) -> MembersResult:
    """Train M members at once: what `jax.vmap` of `fit` computes, with every member free to differ.

    Whatever has a leading axis of length M is each member's own, the rest is shared and never copied. On the
    CPU kernel, member `k` is bit for bit what `fit` gives for it alone. A member that has finished, stopped early or
    gone non-finite costs no more time: a kernel skips it, and on the XLA path the others go on in a smaller state.

    Args:
      keys: random keys `[M]`; or one key and `members`, whose k-th member then has `jax.random.fold_in(key, k)`.
      model: one architecture, or M of equal depth that differ in hidden widths: they are padded with zeros, and
        each is initialised and trained exactly as alone.
      x, y: as for `fit`, shared; or `[M, n, in]` and `[M, n]` or `[M, n, out]`. In a pytree each array by itself.
      **options: every option of a run, one by one in `jaxbm.run.options.TrainingOptions`, and in
        `help(jaxbm.fit_members)`; numbers may be `[M]`.
      members: how many, where one key came.
      folder: where the members' state is kept: about twice a minute, when Ctrl-C is pressed and at the end, there
        only if it is more than five seconds of training since it was last kept. The same call with the same folder
        goes on from there, after a kill too, with the result of a run that was never interrupted: bit for bit on the
        CPU kernel, to rounding on the XLA path. Remove the folder when done.
      progress: True for a bar with members done, best so far, steps per second and time left (needs rich), or a
        function of a `MembersProgress`; called between chunks of epochs.

    Returns:
      A `MembersResult`: a `FitResult` whose arrays have a leading M, with `.best`, `.best_values`, `.member(k)`.

    Raises:
      ValueError, TypeError: as for `fit`; or `folder` holds a run of other data or options, or something else.
      MembersInterrupted: Ctrl-C; carries the result so far. With `folder` or `progress` training goes in chunks of
        epochs, a second or two each, and ends after the one it is in. Without both, the CPU kernel (and XLA, where
        the run is short) trains all epochs in one call, which nothing can stop halfway: `KeyboardInterrupt` comes
        when it is through, and nothing is kept.

    Warns:
      NonFiniteMembersWarning: members went non-finite; names each with epoch and its own hyper-parameters.

    Example:
      >>> import jax, jaxbm, jax.numpy as jnp
      >>> x = jax.random.normal(jax.random.key(0), (200, 4))
      >>> y = (x.sum(axis=1) > 0).astype("float32")
      >>> rates = jnp.asarray([1e-4, 1e-3, 1e-2])
      >>> many = jaxbm.fit_members(
      ...     jax.random.key(1), jaxbm.MLP((4, 8, 1)), x, y, members=3, loss="sigmoid_binary_cross_entropy",
      ...     optimizer=jaxbm.adam(rates), validation_split=0.2)
      >>> many.best, many.params[0].weight.shape, many.member(2).params[0].weight.shape
      (2, (3, 4, 8), (4, 8))

    Source: bagging is Breiman (1996); ensembles of seeds, Lakshminarayanan, Pritzel and Blundell (2017).
    """
    training = ACCEPTS.training(options)
    return trained(prepare(keys, model, x, y, training, members), training, folder, progress)


def trained(
    setup: Setup, training: Training, folder: str | os.PathLike[str] | None, progress: bool | Report
) -> MembersResult:
    """What `fit_members` gives for members that are prepared."""
    may_finish_early = training.patience is not None or np.ndim(training.epochs) > 0
    if folder is not None and setup.is_traced:
        raise ValueError(f"folder: expected None inside a transformation such as jit or vmap, got {folder}")
    in_chunks = progress is not False or folder is not None
    if setup.name == "xla" and not setup.is_traced:
        in_chunks |= chunks.may_compact(setup.task, setup.own, setup.shared, len(setup.keys), may_finish_early)
    if setup.is_traced or not in_chunks:
        train = chunks.whole if setup.is_traced else chunks.whole_directly
        result = train(setup.task, setup.name, setup.keys, setup.own, setup.shared)
    else:
        begun = setup.run(setup.checkpoint(folder))
        try:
            chunks.train(begun, progress)
            begun.keep(chunks.SHORT_SECONDS)
        except MembersInterrupted as interruption:
            interruption.result = _result(interruption.result, setup)
            raise
        result = begun.result()
    result = _result(result, setup)
    if not setup.is_traced:
        warn_of_non_finite(setup, result)
    return result


def _result(result: FitResult, setup: Setup) -> MembersResult:
    return MembersResult.of(result._replace(privacy=setup.privacy, precision=setup.precision), setup.models)


def prepare(
    keys: Array,
    model: Model | Sequence[Model],
    x: Any,
    y: Any,
    training: Training,
    members: int | None = None,
) -> Setup:
    """Check what `fit_members` was given, and decide what is each member's own."""
    keys = whole_on_each(stacking.key_array(keys, members))
    count = keys.shape[0]
    models = _models(model, count)
    padded = models[0].padded(models)
    data, own_data, most = member_data.member_data(training, padded, x, y, count)
    data = whole_on_each(data)
    own_widths = None if len(set(models)) == 1 else placed([m.member_widths for m in models], np.int32)
    run = training.build(padded, data, members=count, most=most, widths=own_widths)
    own_rows = any(jax.tree.leaves((own_data.x, own_data.y)))
    run, spent = private_runs.accounted(run, training, count, own_rows=own_rows)
    run = run._replace(task=replace(run.task, evaluation_rows=evaluation_rows(count)))
    optimizer = run.hyper.optimizer if run.task.optimizer is None else run.task.optimizer
    start = _Start(padded, models, optimizer, run.params, run.opt_state, count)
    return replace(_setup(run, training.implementation, keys, models, own_data, start), privacy=spent)


class _Start(NamedTuple):
    model: Model
    models: tuple[Model, ...]
    optimizer: Any
    params: Params | None
    opt_state: Any
    members: int

    def inputs(self, keys: Array) -> tuple[Any, Any, Any, Any]:
        """Parameters and optimizer state to start from, each with `is_own`."""
        params, own_params = self._params(keys)
        if self.opt_state is None:
            return params, own_params, None, None
        reference = jax.eval_shape(_single(self.optimizer).init, self._shapes())
        own_state = stacking.own_by_rank("opt_state", self.opt_state, reference, self.members)
        return params, own_params, self.opt_state, own_state

    def _params(self, keys: Array) -> tuple[Any, Any]:
        if self.params is not None:
            return self.params, stacking.own_by_rank("params", self.params, self._shapes(), self.members)
        if len(set(self.models)) == 1:
            return None, None  # drawn where training begins
        drawn = widths.draw(self.model, self.models, keys)
        return drawn, jax.tree.map(lambda _: True, drawn)

    def _shapes(self) -> Any:
        return jax.eval_shape(
            lambda: self.model.init(jax.random.key(0))
        )  # traced: milliseconds, so only where needed


def _single(optimizer: Any) -> Any:
    """The optimizer with one number where members have their own: its state has the same shapes."""
    return jax.tree.map(lambda leaf: leaf if np.ndim(leaf) == 0 else jnp.zeros((), jnp.result_type(leaf)), optimizer)


def _setup(
    run: Run, implementation: str | None, keys: Array, models: tuple[Model, ...], own_data: Data, start: _Start
) -> Setup:
    task, hyper, count = run.task, run.hyper, keys.shape[0]
    params, own_params, opt_state, own_state = start.inputs(keys)
    own_hyper = Hyper(
        *(
            stacking.own_optimizer(value, count)
            if name == "optimizer"
            else jax.tree.map(lambda leaf: jnp.ndim(leaf) > 0, value)
            for name, value in hyper._asdict().items()
        )
    )
    inputs = Inputs(run.data, *whole_on_each((hyper, params, opt_state)))
    own, shared = split(inputs, Inputs(own_data, own_hyper, own_params, own_state))
    member = Run(task, *stacking.first(own, shared))
    name, _ = dispatch.choose(implementation, member)
    precision = dispatch.precision_of(name, member)
    return Setup(task, name, keys, own, shared, models if hyper.widths is not None else models[:1], precision)


def _models(model: Model | Sequence[Model], members: int) -> tuple[Model, ...]:
    if isinstance(model, Model) or not isinstance(model, Sequence):
        return (as_model(model),)
    if len(model) != members:
        raise ValueError(f"model: expected one model or {members}, one for each member, got {len(model)}")
    return tuple(as_model(one) for one in model)


def warn_of_non_finite(setup: Setup, result: MembersResult) -> None:
    """One warning that names the members whose loss or parameters became NaN or infinite."""
    finite = np.asarray(result.finite)
    if finite.all():
        return
    own = _own_numbers(setup.own.hyper)
    last = np.asarray(result.epochs_run) - 1
    bad = np.flatnonzero(~finite)
    found = [(int(k), int(last[k]), {name: float(values[k]) for name, values in own.items()}) for k in bad]
    warnings.warn(NonFiniteMembersWarning(found, setup.keys.shape[0]), stacklevel=callers_level())


def _own_numbers(hyper: Hyper) -> dict[str, np.ndarray]:
    optimizer, named = hyper.optimizer, {name: getattr(hyper, name) for name in NUMBERS}
    if is_dataclass(optimizer):
        named |= {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}
    return {name: np.asarray(value) for name, value in named.items() if isinstance(value, jax.Array | np.ndarray)}
