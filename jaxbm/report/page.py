"""`html`: one file about a whole run, that needs no server and no network."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxbm.core.extras import needs
from jaxbm.core.files import replace
from jaxbm.core.settings import on_purpose
from jaxbm.core.words import counted
from jaxbm.members.ensemble import Ensemble
from jaxbm.members.result import MembersResult
from jaxbm.metrics import heading
from jaxbm.report import measured, parts, study_parts
from jaxbm.report.measured import Subject
from jaxbm.studies.fit_groups import GroupsResult
from jaxbm.studies.sweep_result import SweepResult
from jaxbm.training.predict import predict

TASKS = ("binary", "multiclass", "regression")
MOST_CLASSES = 12
"""A confusion matrix with more of them is not readable."""
SHOWN_MISTAKES = 12


@needs("the report")
@on_purpose
def html(
    path: str | os.PathLike[str],
    result: Any,
    *,
    data: Mapping[str, Any],
    outputs: Mapping[str, np.ndarray] | None = None,
    task: str | None = None,
    model: Any = None,
    preparation: Any = None,
    title: str | None = None,
    timings: Mapping[str, float] | None = None,
    implementation: str | None = None,
    command: str | Sequence[str] | None = None,
    importance: bool = True,
    caveats: Sequence[str] = (),
) -> pathlib.Path:
    """Write a report of a training run, a sweep or models by group: one HTML file, without server or network.

    It shows what was read and how it was cleaned, learning curves, metrics, confusion matrix, ROC and
    precision-recall curves and calibration (or residuals), the columns' importance, an ensemble's spread, a sweep's
    trials, groups with their losses, timings, versions and the command. Needs matplotlib and scikit-learn
    (`pip install 'jaxbm[table]'`). It follows the reader's choice of light or dark.

    Args:
      path: the file to write.
      result: of `fit`, `fit_members`, `sweep` or `fit_groups`.
      data: `{"training": (x, y), ..., "test": (x, y)}`, features and labels as they were trained on; the last one
        that has rows is what the pictures show. For `fit_groups` `(x, y, groups)`.
      outputs: logits `[n, out]` of sets for which they are known already, such as those out of fold.
      task: "binary", "multiclass" or "regression"; from the preparation where there is one.
      model: the architecture, for a result of `fit`; of `fit_members` an `Ensemble` of its members, where that is
        another than the plain one.
      preparation: a `jaxbm.table.Preparation`: names of columns and classes, units, and what was done to the table.
      title: the page's heading.
      timings: `{"compile": seconds, ...}`, shown in their order.
      implementation: which one ran, and why.
      command: what was called, shown for running it again.
      importance: False leaves the permutation importance out.
      caveats: of a private run, what its epsilon does not cover.

    Returns:
      `path`.

    Raises:
      ValueError, TypeError: an argument is unusable.

    Example:
      >>> import jax, jaxbm, pathlib, tempfile
      >>> x = jax.random.normal(jax.random.key(0), (200, 3))
      >>> y = (x[:, 0] > 0).astype("float32")
      >>> model = jaxbm.MLP((3, 8, 1))
      >>> result = jaxbm.fit(jax.random.key(1), model, x[:150], y[:150], loss="sigmoid_binary_cross_entropy")
      >>> data = {"training": (x[:150], y[:150]), "test": (x[150:], y[150:])}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = jaxbm.report.html(folder + "/report.html", result, data=data, model=model, task="binary")
      ...     "<svg" in path.read_text()
      True
    """
    path = pathlib.Path(path)
    if task is None:
        if preparation is None:
            raise ValueError("task: expected 'binary', 'multiclass' or 'regression' without a preparation, got None")
        task = preparation.task
    if task not in TASKS:
        raise ValueError(f"task: expected 'binary', 'multiclass' or 'regression', got {task!r}")
    by_group = isinstance(result, GroupsResult)
    sets: dict[str, Any] = measured.sets_of(data, ("x", "y", "groups") if by_group else ("x", "y"))
    sections: list[str] = []
    if by_group:
        sections += study_parts.groups(result, sets, task, preparation)
        described, learned = result.model, None
    else:
        subject, described, learned = _subject(result, model, task, preparation)
        raw = {
            name: outputs[name] if outputs and name in outputs else subject.outputs(x)
            for name, (x, _) in sets.items()
        }
        sets = {n: (x, measured.checked_labels(n, y, task, raw[n].shape[1])) for n, (x, y) in sets.items()}
        subjects = measured.each_output(subject, sets)
        for one in subjects:
            sections += _results(one, sets, raw, set(outputs or ()), importance)
        if isinstance(result, MembersResult):
            sections.insert(2, study_parts.members(result, subjects[0], sets))
        if isinstance(result, SweepResult):
            sections.insert(1, study_parts.sweep(result))
    if learned is not None:
        is_sweep = isinstance(result, SweepResult)
        named = "Learning of the best trial, on all training rows" if is_sweep else "Learning"
        sections.insert(2 if is_sweep else 1, _training(learned, named))
    sections.append(_data(preparation, sets))
    sections.append(_privacy(result, caveats))
    sections.append(parts.section("Model", parts.pre(described.summary())))
    sections.append(_how(timings, implementation, command))
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    subtitle = f"{_kind(result)}, {task}; {now}"
    named = title or (f"jaxbm: {preparation.target}" if preparation is not None else "jaxbm: training run")
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, parts.page(named, subtitle, "\n".join(s for s in sections if s)).encode())
    return path


def _subject(result: Any, model: Any, task: str, preparation: Any) -> tuple[Subject, Any, Any]:
    """What predicts, its architecture, and the run whose curves are shown."""
    run = result.refit if isinstance(result, SweepResult) else result
    if isinstance(result, MembersResult):
        ensemble = model if isinstance(model, Ensemble) else measured.ensemble_of(result, preparation)
        found = partial(_ensemble_logits, ensemble, task, preparation)
        return Subject(ensemble, task, preparation, found), result.model, run
    model = result.model if isinstance(result, SweepResult) else model
    if model is None:
        raise ValueError("model: expected the architecture that was trained, got None")
    if run is None or not hasattr(run, "params") or not hasattr(run, "history"):
        raise TypeError(
            f"result: expected that of fit, fit_members, sweep or fit_groups, got {type(result).__name__}"
        )
    return Subject((model, run.params), task, preparation, lambda x: predict(model, run.params, x)), model, run


def _ensemble_logits(ensemble: Ensemble, task: str, preparation: Any, x: np.ndarray) -> np.ndarray:
    if task == "regression":
        return ensemble.mean(x)
    if preparation is not None:
        return preparation.outputs_of(ensemble.probabilities(x))
    logs = np.log(np.maximum(ensemble.probabilities(x), np.finfo(np.float64).tiny))
    return logs[:, 1:] - logs[:, :1] if task == "binary" else logs


def _results(
    subject: Subject,
    sets: dict[str, tuple[np.ndarray, np.ndarray]],
    raw: Mapping[str, np.ndarray],
    known: set[str],
    with_importance: bool,
) -> list[str]:
    """How well it does: numbers, pictures, importance."""
    from jaxbm.report import pictures

    which = f", {subject.target}" if subject.several else ""
    values = {name: measured.metrics_of(subject, raw[name], y) for name, (_, y) in sets.items()}
    last = list(sets)[-1]
    (x, y), shown = sets[last], raw[last]
    headings = [heading(n) for n in values[last]]
    cards = parts.cards({f"{h}, {last}{which}": v for h, v in zip(headings, values[last].values(), strict=True)})
    numbers = parts.table(
        ["", "rows", *headings], [[n, len(sets[n][1]), *v.values()] for n, v in values.items()], label="metrics"
    )
    if subject.task == "regression":
        drawn = pictures.regression(subject.predicted(shown), subject.in_units(y), subject.target)
        body = [parts.pictures(drawn)]
    else:
        p = subject.probabilities(shown)
        classes = subject.classes(p.shape[1])
        counts = measured.confusion_counts(p.argmax(axis=1), y, p.shape[1])
        few = p.shape[1] <= MOST_CLASSES
        body = [
            parts.confusion(counts, classes) if few else _confused(counts, classes),
            parts.pictures(pictures.classification(p, y, classes)),
        ]
    sections = [cards, parts.section(f"Results on {last} rows{which}", numbers, *body)]
    if with_importance:
        names, mean, error, what = measured.importance(subject, x, y)
        asked = "training" if last in known else last  # the outputs that are known are others' than the model's
        told = (
            f"How much worse the model gets on {asked} rows when a column's values change places between rows: "
            f" the mean of {measured.REPEATS} repeats with its standard error. Columns that say the same "
            "stand in for each other."
        )
        drawn_bars = pictures.importance(names, mean, error, what)
        sections.append(
            parts.section(f"Importance of the columns{which}", parts.note(told), parts.pictures([("", drawn_bars)]))
        )
    return sections


def _confused(counts: np.ndarray, classes: Sequence[str]) -> str:
    """Which of many classes are taken for which others, the most frequent mistakes first."""
    wrong = counts - np.diag(np.diag(counts))
    most = np.argsort(-wrong, axis=None, kind="stable")[:SHOWN_MISTAKES]
    total = counts.sum(axis=1)
    rows = [
        [classes[i], classes[j], int(wrong[i, j]), f"{wrong[i, j] / total[i]:.0%}"]
        for i, j in zip(*np.unravel_index(most, wrong.shape), strict=True)
        if wrong[i, j]
    ]
    if not rows:
        return ""
    columns = ["class", "taken for", "rows", "share of the class"]
    told = f"The most frequent mistakes, of {int(wrong.sum()):,} in all:"
    return parts.note(told) + parts.table(columns, rows, label="mistakes")


def _training(run: Any, title: str) -> str:
    from jaxbm.report import pictures

    history = {name: np.asarray(v) for name, v in run.history.items()}
    several = np.ndim(run.epochs_run) > 0
    best = int(np.median(np.asarray(run.best_epoch)))
    ran = int(np.max(np.asarray(run.epochs_run)))
    least = int(np.min(np.asarray(run.epochs_run)))
    told = counted(ran, "epoch") + ("" if several else f"; the best was epoch {best + 1}")
    if several and least < ran:
        told = f"{least} to {told}; the curves end where less than half of the members still train"
    drawn = pictures.learning_curves(history, None if several else best)
    return parts.section(title, parts.note(told + "."), parts.pictures([("Loss by epoch", drawn)]))


def _data(preparation: Any, sets: Mapping[str, Any]) -> str:
    if preparation is not None:
        return parts.section("Data: what was read, and what was done to it", parts.lines(preparation.steps))
    told = [
        f"{name}: {counted(len(part[0]), 'row')} of {counted(np.shape(part[0])[1], 'feature')}"
        for name, part in sets.items()
    ]
    return parts.section("Data", parts.lines(told))


def _privacy(result: Any, caveats: Sequence[str]) -> str:
    spent = getattr(result, "privacy", None)
    if spent is None:
        return ""
    shown = (
        "this page is drawn from the rows as they are: epsilon covers the model's parameters, not what stands here"
    )
    return parts.section("Privacy", parts.note(f"{spent}."), parts.lines([*spent.told, *caveats, shown]))


def _how(timings: Mapping[str, float] | None, implementation: str | None, command: Any) -> str:
    from importlib.metadata import PackageNotFoundError, version

    import jax

    rows = [
        [name, parts.seconds(v) if not name.endswith("second") else f"{v:,.0f}"]
        for name, v in (timings or {}).items()
    ]
    spent = parts.table(["", "time"], rows, label="timings") if rows else ""
    versions = [f"Python {platform.python_version()}", platform.platform()]
    for name in ("jax", "jaxlib", "optax", "numpy", "pandas", "scikit-learn"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
    told = [f"runs on: {devices}, {os.cpu_count()} processors", ", ".join(versions)]
    if implementation:
        told.insert(0, f"implementation: {implementation}")
    called = command if isinstance(command, str) or command is None else _quoted(command)
    again = parts.note("The command:") + parts.pre(called, wrapped=True) if called else ""
    return parts.section("How it ran", spent, parts.lines(told), again)


def _quoted(words: Sequence[str]) -> str:
    import shlex

    return shlex.join(words)


def _kind(result: Any) -> str:
    if isinstance(result, GroupsResult):
        return f"{counted(len(result.labels), 'model')} by group"
    if isinstance(result, SweepResult):
        return f"sweep of {counted(len(result.trials), 'trial')}"
    return f"ensemble of {result.members:,}" if isinstance(result, MembersResult) else "one model"
