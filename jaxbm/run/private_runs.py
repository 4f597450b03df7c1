"""A private run before it begins: what it may not ask for, its noise, and what it will have spent."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.core.checks import is_traced
from jaxbm.core.settings import callers_level
from jaxbm.losses import takes_weights
from jaxbm.models.protocol import is_shape, shapes_of
from jaxbm.privacy.accounting import Mechanism, Path, noise_for, undominated
from jaxbm.privacy.dpsgd import DPSGD
from jaxbm.privacy.spent import PrivacySpent
from jaxbm.run.contract import Data, Run
from jaxbm.run.loop import takes_more
from jaxbm.run.training import Training

VALIDATED = "the validation rows chose the epoch: epsilon does not cover them"
STARTED = "training began with given parameters: epsilon covers nothing that they tell of these rows"


def accounted(run: Run, training: Training, members: int | None = None, own_rows: bool = False) -> tuple[Run, Any]:
    """The run with its noise multiplier, and a `PrivacySpent`; as it is, and None, where it isn't private.

    Args:
      run, training: what was built of what.
      members: how many runs there are; None for one.
      own_rows: every member has a table of its own. Whether they tell of the same people is not known, so it is
        taken for granted.

    Raises:
      ValueError, TypeError: an option can't go with privacy; names it.
      ModuleNotFoundError: a target epsilon, without dp-accounting.
    """
    privacy: DPSGD | None = run.task.privacy
    if privacy is None:
        return run, None
    check_options(run, training)
    counts, times = _visits(run, members or 1, own_rows)
    least = int(counts.min())
    if privacy.delta * least >= 1:
        warnings.warn(
            f"privacy: expected delta well below 1 / rows = {1 / least:.2g}, got {privacy.delta:g}, which allows a "
            "row to be told outright",
            stacklevel=callers_level(),
        )
    paths = _paths(run, np.unique(counts), times)
    if privacy.epsilon is not None:
        noise = noise_for(privacy.epsilon, privacy.delta, paths, privacy.accountant)
        privacy = privacy.with_noise(noise)
    told = (*[VALIDATED] * (training.patience is not None), *[STARTED] * (run.params is not None))
    spent = PrivacySpent(
        paths(privacy.noise_multiplier or 0.0), privacy.clip_norm, privacy.delta, privacy.accountant, told
    )
    return run._replace(task=dataclasses.replace(run.task, privacy=privacy)), spent


def _paths(run: Run, counts: np.ndarray, times: int) -> Callable[[float], tuple[Path, ...]]:
    """Noise multiplier -> what happens to a row, where members have these counts of rows."""
    sizes = np.minimum(run.task.batch_size, counts)
    rates, steps = sizes / counts, run.task.epochs * -(-counts // sizes)
    if times > 1:  # a row may be in any of them: as if in the worst that many times
        rates, steps = rates.max(keepdims=True), steps.max(keepdims=True) * times
    kinds = sorted(set(zip(rates.tolist(), steps.tolist(), strict=True)))

    def with_noise(noise: float) -> tuple[Path, ...]:
        return tuple(undominated((Mechanism(noise, rate, int(n)),) for rate, n in kinds))

    return with_noise


def check_options(run: Run, training: Training) -> None:
    """Whether a private run may be asked for with these options.

    Raises:
      ValueError, TypeError: one can't go with privacy; names it.
    """
    task = run.task
    if takes_weights(training.loss):
        name = getattr(training.loss, "__name__", training.loss)
        raise ValueError(f"loss: expected one of each row alone with privacy, got {name!r}, which compares rows")
    for name, unusable, why in (
        ("bootstrap", task.bootstrap, "a row drawn twice counts twice"),
        ("shuffle", not task.shuffle, "each batch is drawn at random"),
        ("class_weight", isinstance(training.class_weight, str), "it counts the classes of private rows"),
        (
            "patience",
            training.patience is not None and training.validation_data is None,
            "private rows must not choose the epoch; with public rows as validation_data they may",
        ),
        (
            "monitor",
            training.patience is not None and not task.monitor.startswith("val_"),
            "private rows must not choose the epoch",
        ),
    ):
        if unusable:
            raise ValueError(
                f"{name}: expected {_usable(name)} with privacy, since {why}; got {getattr(training, name)!r}"
            )
    if run.hyper.widths is not None:
        raise ValueError("model: expected the same widths for all members with privacy, got several")
    shapes = shapes_of(task.model)
    if any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in jax.tree.leaves(shapes)):
        raise TypeError("model: expected real parameters with privacy, got complex ones")
    if task.optimizer is not None and takes_more(task.optimizer):
        _check_optimizer(task.optimizer, shapes)


def _usable(name: str) -> str:
    return {
        "bootstrap": "False",
        "shuffle": "True",
        "class_weight": "numbers, or None,",
        "patience": "None",
        "monitor": 'what is measured on validation_data, such as "val_loss",',
    }[name]


def _check_optimizer(optimizer: Any, shapes: Any) -> None:
    """A line search looks at losses, which no noise covers: only gradients are handed over."""
    try:
        jax.eval_shape(lambda p: optimizer.update(p, optimizer.init(p), p), shapes)
    except TypeError as error:
        raise TypeError(
            f"optimizer: expected one that goes by gradients alone with privacy, which has no loss to look at; got "
            f"one that needs more ({str(error).splitlines()[0]})"
        ) from None


def _visits(run: Run, members: int, own_rows: bool) -> tuple[np.ndarray, int]:
    """Each member's count of rows, and the most members that visit the same row.

    Raises:
      ValueError: a member has a row twice, or which rows it has can't be looked at.
    """
    data, table = run.data, jax.tree.leaves(run.data.x)[0]
    shapes = jax.tree.leaves(run.task.model.input_shape, is_leaf=is_shape)
    n = table.shape[1 if own_rows and shapes and table.ndim == len(shapes[0]) + 2 else 0]
    if data.rows is None and data.start is None:
        return np.asarray([n]), members
    if is_traced(data.rows, data.start, data.count):
        raise ValueError(
            "rows: expected numbers that can be looked at with privacy, since no row may come twice; got traced ones"
        )
    lists = _lists(data, members)
    for part in {id(part): part for part in lists}.values():
        if len(np.unique(part)) < len(part):
            raise ValueError("rows: expected each row at most once with privacy, got one twice")
    visits = np.zeros(n, np.int64)
    for times, part in _counted(lists):
        visits[part] += times
    return np.asarray([len(part) for part in lists]), members if own_rows else int(visits.max())


def _lists(data: Data, members: int) -> list[np.ndarray]:
    """Each member's rows; the same object where several have the same."""
    rows = None if data.rows is None else np.asarray(data.rows)
    if data.start is None or data.count is None:
        assert rows is not None
        return [rows] * members if rows.ndim == 1 else list(rows)
    parts = list(zip(np.atleast_1d(data.start).tolist(), np.atleast_1d(data.count).tolist(), strict=True))
    made = {(a, k): np.arange(a, a + k) if rows is None else rows[a : a + k] for a, k in set(parts)}
    return [made[part] for part in parts]


def _counted(lists: list[np.ndarray]) -> list[tuple[int, np.ndarray]]:
    by_object = {id(part): part for part in lists}
    return [(times, by_object[key]) for key, times in Counter(id(part) for part in lists).items()]
