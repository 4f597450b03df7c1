"""The one place that decides which implementation of a training run is used, and can say why."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.core import checks, forks
from jaxbm.core import rows as row_trees
from jaxbm.core.device import is_inside
from jaxbm.core.names import unknown
from jaxbm.core.precision import Precision
from jaxbm.core.settings import callers_level
from jaxbm.kernels.registry import ABSENT, IMPLEMENTATIONS, Implementation
from jaxbm.losses import columns_of, kind_of
from jaxbm.models.protocol import as_model, is_shape
from jaxbm.privacy.dpsgd import DPSGD
from jaxbm.run import private_runs
from jaxbm.run.accepts import Accepts
from jaxbm.run.contract import Data, Run
from jaxbm.run.inputs import features_and_labels
from jaxbm.run.option import ROWS
from jaxbm.run.options import OPTIONS, TrainingOptions
from jaxbm.run.training import Training


def status() -> dict[str, str]:
    """Every implementation with "on", or the reason why it is off on this machine.

    Example:
      >>> import jaxbm
      >>> jaxbm.kernels.status()["xla"]
      'on'
    """
    return {"xla": IMPLEMENTATIONS["xla"].status()} | {k: v.status() for k, v in IMPLEMENTATIONS.items()} | ABSENT


def choose(implementation: str | None, run: Run) -> tuple[str, str]:
    """The implementation that carries out `run`, and why: the fastest valid one for None, else the named one.

    Args:
      implementation: None or a name.
      run: everything about it; of its arrays only shapes and dtypes are looked at.

    Raises:
      ValueError: the name is unknown.
      NotImplementedError: the named implementation can't do it; a named one never falls back silently.
      RuntimeError: in this process JAX can't compute at all, see `forks.check`.
    """
    forks.check()
    if implementation is not None:
        if not isinstance(implementation, str) or implementation not in (*IMPLEMENTATIONS, *ABSENT):
            raise unknown("implementation", implementation, (*IMPLEMENTATIONS, *ABSENT))
        if (reason := _impossible(implementation, run)) is not None:
            raise NotImplementedError(f"implementation={implementation!r}: {reason}; use None or 'xla'")
        return implementation, "it was asked for"
    against: str | None = None
    elsewhere: str | None = None
    for name, entry in IMPLEMENTATIONS.items():
        if entry.platform == "gpu" and jax.default_backend() == "cpu":
            continue  # what keeps those for the CPU from it is the reason there; this spares an import
        # What is quickly said comes first: whether a loop can be compiled is known only once it was traced.
        reason = entry.off() or entry.slower(run) or entry.unsupported(run) or _told_failure(name, entry, run)
        if reason is None:
            others = against or (None if entry.platform else elsewhere)
            return name, others or "the compiled kernel is the fastest here"
        if entry.platform == jax.default_backend():
            against = against or reason
            _warn_where_off(name, entry, run)
        elsewhere = elsewhere or reason
    raise NotImplementedError(f"implementation: {against or elsewhere}")


def _warn_where_off(name: str, entry: Implementation, run: Run) -> None:
    """One warning where a GPU's kernel would have been chosen, had it not been off."""
    reason = entry.off()
    if entry.platform == "gpu" and reason and not (entry.slower(run) or entry.unsupported(run)):
        _warn_once(f"implementation {name!r} is the fastest at such a run, but is off: {reason}; XLA trains")


def _told_failure(name: str, entry: Implementation, run: Run) -> str | None:
    """Why an implementation fails that would have been chosen, which is said once; None where it doesn't."""
    reason = None if entry.failure is None else entry.failure(run)
    if reason is not None:
        _warn_once(f"implementation {name!r} is the fastest at such a run, but fails here: {reason}; XLA trains")
    return reason


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=callers_level())


def _impossible(name: str, run: Run) -> str | None:
    if name in ABSENT:
        return ABSENT[name]
    entry = IMPLEMENTATIONS[name]
    return entry.off() or entry.unsupported(run)


class Explanation(NamedTuple):
    """Which implementation runs, why, and what keeps each of the others from it."""

    implementation: str
    reason: str
    others: dict[str, str]
    precision: str = "float32"
    """in which numbers products of float32 are computed"""

    def __str__(self) -> str:
        told = "" if self.precision == "float32" else f"; its products are computed in {self.precision}"
        lines = [
            f"{self.implementation}: {self.reason}{told}",
            *(f"not {name}: {why}" for name, why in self.others.items()),
        ]
        return "\n".join(lines)


ACCEPTS = Accepts("explain", many=True)


@ACCEPTS.documented
def explain(
    model: Any, x: Any = None, y: Any = None, *, dtype: Any = "float32", **options: Unpack[TrainingOptions]
) -> Explanation:
    """Which implementation `fit` and `fit_members` would use, and why.

    Args:
      model: as for `fit`.
      x, y: as for `fit`, or `jax.ShapeDtypeStruct`s in the place of arrays; no value is looked at. None for both
        stands for a row of the model's input shape with the label that the loss is known to take: a loss of your own
        that takes others, and the length of the run, can be told from `x` and `y` alone.
      **options: as for `fit`; of arrays of rows it only matters whether they are there.
      dtype: of the features, without `x`.

    Raises:
      ValueError, TypeError, NotImplementedError: as for `fit`, also when `implementation` can't do it.

    Example:
      >>> import jaxbm
      >>> model = jaxbm.MLP((20, 64, 1), output_activation="tanh")
      >>> print(jaxbm.kernels.explain(model, loss="squared_error", implementation="xla"))  # doctest: +ELLIPSIS
      xla: it was asked for
      not cuda: ...
      not cpu: ...
    """
    training = ACCEPTS.training(options)
    run, found = _chosen(training, model, x, y, dtype)
    by_itself = training.implementation is None
    others = {other: _against(other, run, by_itself) for other in status() if other != found.implementation}
    return found._replace(others=others)


def chosen(model: Any, *, dtype: Any = "float32", **options: Unpack[TrainingOptions]) -> Explanation:
    """`explain` without a word about the others: whether a loop could be compiled is known only once it was traced,
    which takes longer than many a training run.

    Example:
      >>> import jaxbm
      >>> from jaxbm.kernels.dispatch import chosen
      >>> print(chosen(jaxbm.MLP((20, 64, 1)), loss="squared_error", implementation="xla"))
      xla: it was asked for
    """
    return _chosen(ACCEPTS.training(options), model, None, None, dtype)[1]


def _chosen(training: Training, model: Any, x: Any, y: Any, dtype: Any) -> tuple[Run, Explanation]:
    as_model(model)
    if (x is None) != (y is None):
        raise ValueError(f"{'x' if x is None else 'y'}: expected rows like the other's, or neither x nor y, got None")
    run = _described(
        training, model, *(_one_row(training, model, dtype) if x is None else _forms(training, model, x, y))
    )
    name, reason = choose(training.implementation, run)
    return run, Explanation(name, reason, {}, precision_of(name, run))


def _one_row(training: Training, model: Any, dtype: Any) -> tuple[Any, Any]:
    shape = () if model.input_shape is None else model.input_shape
    x = jax.tree.map(lambda row: jax.ShapeDtypeStruct((1, *row), jnp.dtype(dtype)), shape, is_leaf=is_shape)
    if kind_of(training.loss) in ("class", "rank", "group"):
        return x, jax.ShapeDtypeStruct((1,), jnp.int32)
    columns = columns_of(training.loss, model.n_outputs)
    return x, jax.ShapeDtypeStruct((1,) if columns == 1 else (1, columns), jnp.float32)


def _forms(training: Training, model: Any, x: Any, y: Any) -> tuple[Any, Any]:
    def array(path: str, leaf: Any) -> Any:
        return leaf if hasattr(leaf, "shape") else np.asarray(leaf)

    given = (row_trees.mapped(array, name, rows) for name, rows in (("x", x), ("y", y)))
    found: tuple[Any, Any] = jax.eval_shape(partial(features_and_labels, model, training.loss), *given)
    return found


def _described(training: Training, model: Any, x: Any, labels: Any) -> Run:
    """The run without its rows: what is absent is None, everything else shapes."""
    row: Any
    rows: Any
    n = row_trees.count(x)
    row, rows = jax.ShapeDtypeStruct((n,), jnp.float32), jax.ShapeDtypeStruct((n,), jnp.int32)
    given = {name for name in OPTIONS if OPTIONS[name].role == ROWS and getattr(training, name) is not None}
    checks.one_number("validation_split", training.validation_split)
    validated = bool(given & {"validation_data", "validation_rows"}) or bool(training.validation_split)
    data = Data(
        x,
        labels,
        weight=row if given & {"sample_weight", "class_weight"} else None,
        x_val=x if validated else None,
        y_val=labels if validated else None,
        rows=rows if "rows" in given else None,
        rows_val=rows if "validation_rows" in given else None,
    )
    if isinstance(training.privacy, DPSGD):  # how much noise it needs does not matter here
        training = replace(training, privacy=training.privacy.with_noise(1.0))
    run = training.build(model, data)
    if run.task.privacy is not None:
        private_runs.check_options(run, training)
    return run


def _against(name: str, run: Run, by_itself: bool) -> str:
    reason = _impossible(name, run)
    if reason is not None:
        return reason
    if name == "xla":
        return "the compiled kernel is faster here"
    entry, reason = IMPLEMENTATIONS[name], IMPLEMENTATIONS[name].slower(run)
    if reason is None and by_itself and entry.failure is not None:
        reason = entry.failure(run)
    return reason or "it was not asked for"


def precision_of(name: str, run: Run) -> Precision:
    """In which numbers an implementation computes a run's products of float32, here."""
    return IMPLEMENTATIONS[name].precision(run)


def runner(name: str, differentiable: bool = True) -> Any:
    """The function `run` of the implementation called `name`; one that is not differentiable may be traced sooner."""
    entry = IMPLEMENTATIONS[name]
    return entry.run if differentiable or not has_direct_runner(name) else entry.direct


def has_direct_runner(name: str) -> bool:
    """Whether the implementation called `name` has a function here that is traced sooner for not being
    differentiable."""
    return IMPLEMENTATIONS[name].direct is not None and jax.default_backend() == "cpu"


class compiled:
    """`advance(task, name, state, ...)`, jitted; the state is given up, unless the implementation called `name` can't
    write into its memory.

    Args:
      advance: what begins with a task, an implementation's name and a state, and gives a state.
    """

    def __init__(self, advance: Callable[..., Any]):
        jitted = partial(jax.jit, advance, static_argnums=(0, 1))
        self._kept: Any = jitted()
        self._given_up: Any = jitted(donate_argnums=2)

    def __call__(self, task: Any, name: str, *arguments: Any) -> Any:
        writes_anew = not IMPLEMENTATIONS[name].in_place and jax.default_backend() == "cpu"
        return (self._kept if writes_anew else self._given_up)(task, name, *arguments)

    def _cache_size(self) -> int:
        """How many programs were compiled, as a jitted function tells it."""
        return int(self._kept._cache_size() + self._given_up._cache_size())


def run_from_host(name: str, *run: Any, lead: int) -> Any:
    """The state that the implementation called `name` gives for a run whose arrays are there, compiling nothing but a
    call; None where there is no such way, or within a transformation, which gives results that aren't there.

    Args:
      name: of the implementation.
      *run: task, state, words, `own` and `shared` data and numbers, and the epoch to train until.
      lead: 1 where the state is that of members, 0 of one run.
    """
    entry = IMPLEMENTATIONS[name]
    if entry.from_host is None or jax.default_backend() != "cpu" or is_inside():
        return None
    return entry.from_host(*run, lead=lead)


def epoch_again(name: str, *run: Any) -> Any:
    """A function by which the implementation called `name` trains one epoch over and over, on rows that change; None
    where there is no such way.

    Args:
      name: of the implementation.
      *run: task, state, `own` and `shared` data and numbers.
    """
    entry = IMPLEMENTATIONS[name]
    if entry.again is None or jax.default_backend() != "cpu" or is_inside():
        return None
    return entry.again(*run)


def begun(name: str, start: Any) -> Any:
    """`start`, which makes the state before the first epoch, as the implementation called `name` has it."""
    begin = IMPLEMENTATIONS[name].begin
    return start if begin is None else begin(start)
