"""An Optuna study in batches: every batch of trials is one call that trains all of them (extra `optuna`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import checks
from jaxbm.models.protocol import Model
from jaxbm.studies.space import Choice, Dimension, Integers, LogUniform, Space, dimensions
from jaxbm.studies.sweep import sweep


def optimize(
    study: Any,
    space: Space,
    key: Array,
    model: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    trials: int = 64,
    batch: int = 64,
    **options: Any,
) -> Any:
    """Ask a study for a batch of trials, train all of them at once, tell it their values; until there are enough.

    Args:
      study: an `optuna.Study` of one objective, minimised or maximised as the metric wants it. Its own trials are
        taken first (`study.enqueue_trial`); of choices that are no numbers or texts it knows the `repr`.
      space: as for `jaxbm.sweep`.
      key, model, x, y: as for `jaxbm.sweep`; every batch has the same seeds and folds.
      trials: how many more.
      batch: how many at once. A sampler learns between batches only, so fewer, larger ones are faster and a little
        less clever. All of a batch train to their end: pruners aren't asked.
      options: everything else that `jaxbm.sweep` takes, such as `loss`, `folds`, `metric` and `epochs`.

    Returns:
      The study. A trial whose members did not all stay finite is told as failed; a trial's value is the mean over its
      seeds and folds, their spread its user attribute "std".

    Raises:
      TypeError: `study` is none.
      ValueError: it has several objectives, its direction is not the metric's, or as for `jaxbm.sweep`.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> from jaxbm.studies.optuna import optimize
      >>> x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
      >>> space = {"learning_rate": jaxbm.space.LogUniform(1e-4, 1e-1), "hidden": [(4,), (8,)]}
      >>> def search():
      ...     import optuna
      ...     study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
      ...     key, model = jax.random.key(0), jaxbm.MLP((3, 4, 1))
      ...     return optimize(study, space, key, model, x, x[:, 0], trials=16, batch=8, folds=3, loss="squared_error")

    Source: Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework" (2019).
    """
    _check_study(study)
    parts = dimensions(space)
    left, size = checks.positive_int("trials", trials), checks.positive_int("batch", batch)
    while left:
        asked: list[Any] = []
        try:
            for _ in range(min(size, left)):
                asked.append(study.ask())
                for name, part in parts.items():
                    _suggest(asked[-1], name, part)
            points = [_point(trial.params, parts) for trial in asked]
            found = sweep(points, key, model, x, y, **{"refit": False, **options})
            _check_direction(study, found.greater_is_better)
        except BaseException:
            for trial in asked:  # or they would wait for their values for ever
                study.tell(trial, state=_failed())
            raise
        for trial, value, spread in zip(asked, found.mean, found.scores.std(axis=(1, 2)), strict=True):
            trial.set_user_attr("std", float(spread))
            finite = np.isfinite(value)
            study.tell(trial, float(value) if finite else None, state=None if finite else _failed())
        left -= len(asked)
    return study


def _check_study(study: Any) -> None:
    if not hasattr(study, "ask") or not hasattr(study, "tell"):
        raise TypeError(f"study: expected an optuna.Study, got {checks.told(study)}")
    if len(study.directions) != 1:
        raise ValueError(f"study: expected one of one objective, got one of {len(study.directions)}")


def _check_direction(study: Any, greater_is_better: bool) -> None:
    wanted = "MAXIMIZE" if greater_is_better else "MINIMIZE"
    if study.direction.name != wanted:
        raise ValueError(f"study: expected direction {wanted.lower()!r} for this metric, got {study.direction.name}")


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def _suggest(trial: Any, name: str, part: Dimension) -> None:
    """Let the study choose, one parameter after the other: a trial whose value it refuses is known to be told so."""
    if isinstance(part, Choice):
        trial.suggest_categorical(name, [_word(value) for value in part.values])
    elif isinstance(part, Integers):
        trial.suggest_int(name, int(part.low), int(part.high))
    else:
        trial.suggest_float(name, part.low, part.high, log=isinstance(part, LogUniform))


def _word(value: Any) -> Any:
    """What a study can store of a value: itself, or its text."""
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _point(params: Mapping[str, Any], parts: Mapping[str, Dimension]) -> dict[str, Any]:
    return {
        name: next(v for v in part.values if _word(v) == params[name]) if isinstance(part, Choice) else params[name]
        for name, part in parts.items()
    }
