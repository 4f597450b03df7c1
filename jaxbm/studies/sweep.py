"""`sweep`: many hyper-parameters, seeds and folds trained at once, with successive halving."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import checks, counter
from jaxbm.core import rows as row_trees
from jaxbm.core.calls import helpful
from jaxbm.core.fingerprint import fingerprint
from jaxbm.core.settings import non_finite_is_told
from jaxbm.kernels.spare import spared
from jaxbm.members import chunks
from jaxbm.members.progress import MembersProgress, Report, reporter
from jaxbm.members.resumable_fit import fit_single
from jaxbm.metrics import METRICS
from jaxbm.metrics import greater_is_better as is_better_greater
from jaxbm.models.protocol import Model, as_model
from jaxbm.optimizers import numbers_of
from jaxbm.run.accepts import Accepts
from jaxbm.run.inputs import check_split, features_and_labels
from jaxbm.run.options import SEARCHED, TrainingOptions
from jaxbm.run.training import Training
from jaxbm.studies.folds import is_classification, make_folds
from jaxbm.studies.space import Space, draw_trials, given_trials
from jaxbm.studies.sweep_plan import Plan, check_names
from jaxbm.studies.sweep_result import SweepInterrupted, SweepResult
from jaxbm.studies.sweep_store import Store

ACCEPTS = Accepts(
    "sweep",
    many=True,
    without=("privacy",),
    why={
        "privacy": "trials are compared by private rows, which no epsilon would cover: search on public rows, then "
        "fit(privacy=...) with what was found"
    },
    defaults={"optimizer": "adam", "validation_split": 0.2},
    texts={
        "optimizer": '"adam", "adamw", "sgd", or a function of the space\'s names that returns an optimizer.',
        "validation_split": "fraction of the rows, the last of them, to validate on, where there are no folds.",
        "patience": "as for `fit`; a trial is then judged at its best epoch, otherwise at its last. The best epoch "
        "is found on the rows that also judge, so such scores are a little hopeful.",
    },
)


@ACCEPTS.documented
@helpful
@non_finite_is_told
@spared
def sweep(
    space: Space | Sequence[Mapping[str, Any]],
    key: Array,
    model: Model,
    x: Any,
    y: Any,
    *,
    trials: int = 20,
    method: str = "random",
    grid_points: int = 5,
    seeds: int = 1,
    folds: Any = None,
    stratified: bool | None = None,
    groups: ArrayLike | None = None,
    halving: int | None = None,
    min_epochs: int | None = None,
    metric: str = "loss",
    greater_is_better: bool | None = None,
    refit: bool = True,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | Report = False,
    **options: Unpack[TrainingOptions],
) -> SweepResult:
    """Try hyper-parameters: every trial, with all its seeds and folds, trained in the same few compiled calls.

    Trials of the same depth, activation, initialiser and batch size share a call whatever their widths. All trials
    see the same seeds and folds, so they differ by their hyper-parameters alone.

    Args:
      space: name -> `jaxbm.space.LogUniform(low, high)`, `Uniform`, `Integers`, `Choice`, a list to choose from, or
        one value. Names: the optimizer's own (`learning_rate`, `b1`, `weight_decay`, ...), `hidden` (a tuple of
        widths), `activation`, `weight_init`, `batch_size`, and every number of `fit`: `l2`, `dropout`, `epochs`, ...
        Or the trials themselves, a list of points `{name: value}`, all with the same names: whoever asks for the
        next points is told `.mean`, one value for each (for Optuna there is `jaxbm.studies.optuna.optimize`).
      key: a JAX random key, for the draws, the folds and the members.
      model: the architecture, as far as the space doesn't say.
      x, y: as for `jaxbm.fit`.
      **options: every option of a run that all trials share, one by one in `jaxbm.run.options.TrainingOptions`, and
        in `help(jaxbm.sweep)`.
      trials: how many; with method "grid" every combination instead.
      method: "random", "sobol" or "grid".
      grid_points: values of each continuous dimension in a grid.
      seeds: members of each trial (and fold) that differ in their seed.
      folds: a number, a splitter or pairs, as for `cross_validate`; None validates on `validation_split` or
        `validation_data`.
      stratified, groups: as for `cross_validate`.
      halving: successive halving by this factor: all trials train for `min_epochs`, the best `1 / halving` of them
        go on to `halving` times as many, and so forth to `epochs`. None trains every trial to the end.
      min_epochs: `epochs / halving**2` by default.
      metric: what to compare on the rows validated on: "loss", the name of any metric of `jaxbm.metrics`, or one of
        your own `metrics`.
      greater_is_better: known for our metrics; say it for your own.
      refit: train the best trial once more, on all rows: for as many epochs as its members took to their best
        ones with `patience`, for all otherwise.
      folder: where scores are stored, and the state of the members in training about twice a minute and when Ctrl-C
        is pressed. The same call with the same folder goes on from there, after a kill too, inside of a round of
        halving and of the refit as well, with the result of a sweep that was never interrupted, as for `fit_members`.
      progress: as for `fit_members`, over the whole sweep.

    Returns:
      A `SweepResult` with `.table()`, `.best_values`, `.model`, `.refit`.

    Raises:
      ValueError, TypeError: an argument is unusable; the message names it.
      SweepInterrupted: Ctrl-C; carries the trials that were finished.

    Example:
      >>> import jax, jaxbm, numpy as np
      >>> x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
      >>> space = {"learning_rate": jaxbm.space.LogUniform(1e-4, 1e-1), "hidden": [(4,), (8,)]}
      >>> found = jaxbm.sweep(space, jax.random.key(0), jaxbm.MLP((3, 4, 1)), x, x[:, 0], trials=6, folds=3,
      ...     loss="squared_error")
      >>> found.scores.shape, sorted(found.best_values), len(found.table())
      ((6, 1, 3), ['hidden', 'learning_rate'], 6)

    Source: Bergstra and Bengio (2012); successive halving, Jamieson and Talwalkar (2016), Li et al. (2020).
    """
    training, model = ACCEPTS.training(options), as_model(model)
    trials, refit = checks.positive_int("trials", trials), checks.flag("refit", refit)
    if not isinstance(metric, str):
        raise TypeError(f"metric: expected a name, got {checks.told(metric)}")
    training = _recording(training, metric)
    if greater_is_better is not None:
        greater_is_better = checks.flag("greater_is_better", greater_is_better)
    optimizer, epochs = training.optimizer, checks.positive_int("epochs", training.epochs)
    seed = int(counter.words(key)[0]) % 2**31
    if isinstance(space, Mapping):
        drawn = draw_trials(space, trials, method=method, seed=seed, grid_points=grid_points)
    else:
        drawn = given_trials(space)
    check_names(drawn[0], optimizer)  # all trials have the same
    check_split(training)
    data = features_and_labels(model, training.loss, x, y)
    pairs = _pairs(training, *data, folds, stratified=stratified, groups=groups, seed=seed)
    if pairs is not None or training.validation_data is not None or training.validation_rows is not None:
        training = replace(training, validation_split=0.0)
    if min_epochs is not None and halving is None:
        raise ValueError(f"min_epochs: expected None without halving, got {checks.told(min_epochs)}")
    plan = Plan(model, tuple(drawn), pairs, checks.positive_int("seeds", seeds), optimizer, training)
    greater = is_better_greater(metric) if greater_is_better is None else greater_is_better
    rungs = _rungs(epochs, halving, min_epochs, drawn)
    described = (counter.words(key), (x, y), drawn, pairs, rungs, halving, repr(model), training.decisive())
    store = Store(folder, "" if folder is None else fingerprint(*described, metric, greater, plan.seeds))
    work = _Sweep(plan, key, x, y, store, rungs, halving or 1, f"val_{metric}", metric, greater)
    try:
        with reporter(progress) as report:
            work.everything(report)
        return _with_refit(work.result(), plan, key, x, y, store) if refit else work.result()
    except KeyboardInterrupt:
        raise SweepInterrupted(work.result()) from None


def _pairs(
    training: Training, rows: Any, labels: Any, folds: Any, *, stratified: bool | None, groups: Any, seed: int
) -> tuple[Any, ...] | None:
    """Rows to train and to validate on, of each fold; None where there are none."""
    if folds is None:
        for name, given in (("groups", groups), ("stratified", stratified)):
            if given is not None:
                raise ValueError(f"{name}: expected None without folds, which alone go by it, got one")
        return None
    by_class = is_classification(training.loss, labels) and not hasattr(folds, "split")
    stratified = by_class if stratified is None else stratified
    found = make_folds(row_trees.count(rows), labels, folds, stratified=stratified, groups=groups, seed=seed)
    for name in ("rows", "validation_rows", "validation_data"):
        if getattr(training, name) is not None:
            raise ValueError(f"{name}: expected None beside folds, which say what is trained and validated on")
    return tuple(found)


def _recording(training: Training, metric: str) -> Training:
    """`training`, that records one of our metrics too."""
    metrics = training.metrics
    if metric not in METRICS or (isinstance(metrics, Mapping) and metric in metrics):
        return training
    if isinstance(metrics, Mapping):
        return replace(training, metrics={**metrics, metric: METRICS[metric]})
    names = (metrics,) if isinstance(metrics, str) or callable(metrics) else metrics
    if not isinstance(names, tuple | list) or metric in names:
        return training
    return replace(training, metrics=(*names, metric))


class _Sweep:
    """A sweep at work: blocks of members, rung by rung."""

    def __init__(
        self, plan: Plan, key: Array, x: Any, y: Any, store: Store, rungs: list[int], factor: int, name: str,
        metric: str, greater: bool,
    ):  # fmt: skip
        self.plan, self.key, self.x, self.y, self.store = plan, key, x, y, store
        self.rungs, self.factor, self.name, self.metric, self.greater = rungs, factor, name, metric, greater
        self.blocks = plan.blocks()
        self.training: dict[int, chunks.Run] = {}
        shape = (len(plan.trials), plan.seeds, plan.members_per_trial // plan.seeds)
        self.scores = np.full(shape, np.nan)
        self.epochs = np.zeros(len(plan.trials), np.int64)
        self.epochs_run, self.best_epoch = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.kept = np.ones(len(plan.trials), bool)
        self.began, self.steps = time.perf_counter(), 0
        self.best: tuple[float, int] | None = None

    def everything(self, report: Report | None) -> None:
        """All rungs."""
        for rung, stop in enumerate(self.rungs):
            for number, block in enumerate(self.blocks):
                if not self.kept[block].any():
                    continue
                found = self.store.scores(rung, number)
                if found is None:
                    found = self._train(rung, stop, number, report)
                self._take(block, found, stop)
            if rung + 1 < len(self.rungs):
                self._eliminate()

    def result(self) -> SweepResult:
        """Everything that is finished."""
        return SweepResult(
            self.plan.trials, self.metric, self.greater, self.scores, self.epochs, self.epochs_run, self.best_epoch
        )

    def _train(self, rung: int, stop: int, number: int, report: Report | None) -> dict[str, list[Any]]:
        block = self.blocks[number]
        training = self._members(number)
        each = self.plan.members_per_trial
        training.retire(np.repeat(~self.kept[block], each))
        told = None if report is None else lambda now: report(self._overall(now, rung, number))
        chunks.train(training, told or False, stop)
        found = self._scores(training, len(block))
        is_last = rung + 1 == len(self.rungs)
        if not is_last:
            training.keep()
        self.store.save(rung, number, found)
        if is_last:
            self.training.pop(number).forget()
        self.steps += 0 if report is None else training.told().steps
        return found

    def _members(self, number: int) -> chunks.Run:
        if number not in self.training:
            setup = self.plan.setup(self.key, self.x, self.y, self.blocks[number])
            training = setup.run(self.store.checkpoint(number))
            known = [name[4:] for name in training.state.history if name.startswith("val_")]
            if self.metric not in known:
                raise ValueError(f"metric: expected one measured on validation rows, {known}, got {self.metric!r}")
            self.training[number] = training
        return self.training[number]

    def _scores(self, training: chunks.Run, trials: int) -> dict[str, list[Any]]:
        state = training.state
        values, ran = np.asarray(state.history[self.name], np.float64), np.asarray(state.epochs_run)
        best = np.asarray(state.best_epoch)
        at = best if state.best_params is not None else np.maximum(ran - 1, 0)
        score = np.where(np.asarray(state.finite), values[np.arange(len(at)), at], np.nan)
        columns = {"score": score, "epochs_run": ran, "best_epoch": best}
        return {name: column.reshape(trials, -1).tolist() for name, column in columns.items()}

    def _take(self, block: list[int], found: dict[str, list[Any]], stop: int) -> None:
        for i, trial in enumerate(block):
            if self.kept[trial]:
                shape = self.scores.shape[1:]
                self.scores[trial] = np.reshape(found["score"][i], shape)
                self.epochs_run[trial] = np.reshape(found["epochs_run"][i], shape)
                self.best_epoch[trial] = np.reshape(found["best_epoch"][i], shape)
                self.epochs[trial] = stop

    def _eliminate(self) -> None:
        result = self.result()
        going = int(self.kept.sum())
        ranked = [trial for trial in result.order if self.kept[trial]]
        self.kept[:] = False
        self.kept[ranked[: -(-going // self.factor)]] = True

    def _overall(self, now: MembersProgress, rung: int, number: int) -> MembersProgress:
        each, members = self.plan.members_per_trial, len(self.plan.trials) * self.plan.members_per_trial
        before = sum(len(block) for block in self.blocks[:number]) * each
        is_last = rung + 1 == len(self.rungs)
        done = before + now.members_done if is_last else int((~self.kept).sum()) * each
        more_is_better = self.training[number].task.monitor_mode == "max"
        if not self.best or (now.best_value > self.best[0] if more_is_better else now.best_value < self.best[0]):
            self.best = now.best_value, before + now.best_member
        per_member = (now.steps + now.steps_left) / now.members
        return now._replace(
            members_done=done,
            members=members,
            best_value=self.best[0],
            best_member=self.best[1],
            steps=self.steps + now.steps,
            steps_left=now.steps_left + int(per_member * max(0, members - before - now.members)),
            seconds=time.perf_counter() - self.began,
        )


def _rungs(epochs: int, halving: int | None, min_epochs: int | None, trials: list[dict[str, Any]]) -> list[int]:
    if halving is None:
        return [max([epochs, *(int(trial["epochs"]) for trial in trials if "epochs" in trial)])]
    factor = checks.positive_int("halving", halving)
    if factor < 2 or any("epochs" in trial for trial in trials):
        raise ValueError(f"halving: expected at least 2, and a space without 'epochs', got {halving}")
    rung = checks.positive_int("min_epochs", max(1, epochs // factor**2) if min_epochs is None else min_epochs)
    if rung >= epochs:
        raise ValueError(f"halving: expected fewer min_epochs than epochs, got {rung} of {epochs}: one round is all")
    rungs = []
    while rung < epochs:
        rungs.append(rung)
        rung *= factor
    return [*rungs, epochs]


def _with_refit(result: SweepResult, plan: Plan, key: Array, x: Any, y: Any, store: Store) -> SweepResult:
    best, values = result.best, result.best_values
    searched = {name: value for name, value in values.items() if name in SEARCHED}
    training = replace(plan.training, validation_split=0.0, validation_data=None, validation_rows=None, **searched)
    epochs = int(training.epochs)
    if training.patience is not None:
        epochs = max(1, round(float(result.best_epoch[best].mean())) + 1)
    numbers = {name: values[name] for name in numbers_of(plan.optimizer) if name in values}
    training = replace(training, epochs=epochs, patience=None, optimizer=plan.optimizer_of(numbers))
    model = plan.model_of(values)
    folder = None if store.folder is None else store.folder / "refit"
    refit = fit_single(key, model, x, y, folder=folder, **vars(training))
    return SweepResult(
        **{**{f: getattr(result, f) for f in result.__dataclass_fields__}, "model": model, "refit": refit}
    )
