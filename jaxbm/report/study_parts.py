"""What a report says about many models: members, a sweep's trials, groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxbm.core.words import counted
from jaxbm.members.result import MembersResult
from jaxbm.metrics import heading
from jaxbm.report import measured, parts
from jaxbm.report.measured import Subject
from jaxbm.studies.fit_groups import GroupsResult
from jaxbm.studies.sweep_result import SweepResult

SHOWN_TRIALS, SHOWN_GROUPS = 20, 5000


def members(result: MembersResult, subject: Subject, sets: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """How members differ, and whether their spread tells where they are wrong."""
    from jaxbm.report import pictures

    last = list(sets)[-1]
    ensemble = measured.ensemble_of(result, subject.preparation)
    deviation, wrong, unit = measured.spread_and_error(subject, ensemble, *sets[last])
    drawn = [
        ("Error by the members' spread", pictures.spread(deviation, wrong, unit)),
        ("The members' best losses", pictures.distribution(result.best_values, "best loss")),
    ]
    finite = int(np.sum(np.asarray(result.finite)))
    told = f"{counted(result.members, 'member')}, {finite} of them finite. "
    told += "Rows about which they disagree should be those that "
    return parts.section(
        "Ensemble", parts.note(told + f"they are wrong about; told on {last} rows."), parts.pictures(drawn)
    )


def sweep(result: SweepResult) -> str:
    """Trials across their hyper-parameters, which of these mattered, and the best trials."""
    from jaxbm.report import study_pictures

    run = np.flatnonzero(result.epochs > 0)
    trials, scores = [result.trials[i] for i in run], result.mean[run]
    better = "more" if result.greater_is_better else "less"
    told = f"{counted(len(run), 'trial')}, {counted(result.scores.size, 'member')}; "
    told += f"compared by {result.metric}, of which {better} is better."
    drawn = []
    if np.isfinite(scores).any() and len(run) > 1:
        lines = study_pictures.parallel_coordinates(trials, scores, result.metric, result.greater_is_better)
        drawn.append(("Trials: the best tenth in colour", lines))
    names, values = study_pictures.hyper_parameter_importance(trials, scores)
    if names:
        label = "share in the order of the trials"
        drawn.append(("Importance of the hyper-parameters", study_pictures.bars(names, values, label)))
    frame = _for_people(result.table())
    columns = [str(name).replace("_", " ") for name in frame.columns]
    rows = [[_plain(v) for v in row] for row in frame.head(SHOWN_TRIALS).itertuples(index=False)]
    best = parts.table(columns, rows, sortable=True, label="trials")
    shown = parts.note(f"The best {min(SHOWN_TRIALS, len(frame))} trials:" if len(frame) > 1 else "The trial:")
    return parts.section("Sweep", parts.note(told), parts.pictures(drawn), shown, best)


def groups(result: GroupsResult, sets: Mapping[str, Any], task: str, preparation: Any) -> list[str]:
    """Metrics over all groups, and a line for each group."""
    from jaxbm.report import pictures

    subject = Subject(None, task, preparation, lambda x: x)
    rows: list[list[Any]] = []
    by_group: dict[str, float] = {}
    last = ""
    for name, (x, y, labels) in sets.items():
        raw = result.predict(x, labels)
        y = measured.checked_labels(name, y, task, raw.shape[1])
        known = ~np.isnan(raw).any(axis=1)
        if known.any():
            values = measured.metrics_of(subject, raw[known], y[known])
            rows.append([name, int(known.sum()), *values.values()])
            headings = [heading(n) for n in values]
            by_group = _errors(subject, raw[known], y[known], labels[known])
            last = name
    parts_of: list[str] = []
    if rows:
        parts_of.append(parts.cards({f"{h}, {last}": v for h, v in zip(headings, rows[-1][2:], strict=True)}))
        parts_of.append(parts.section("Results", parts.table(["", "rows", *headings], rows, label="metrics")))
    frame = _for_people(result.table())
    own = np.asarray(frame["own_model"])
    drawn = []
    if result.result is not None:
        loss = "val_loss" if "val_loss" in frame.columns else "loss"
        drawn.append(
            (
                "Losses of the groups",
                pictures.distribution(np.asarray(frame[loss], float)[own], loss.replace("_", " ")),
            )
        )
    wrong = "mean absolute error" if task == "regression" else "error rate"
    columns = [str(c).replace("_", " ") for c in frame.columns] + [f"{wrong}, {last}"] * bool(by_group)
    lines = []
    for row in frame.head(SHOWN_GROUPS).itertuples(index=False):
        line = [str(row[0]), *(_plain(v) for v in row[1:])]
        lines.append(line + [by_group.get(line[0], float("nan"))] * bool(by_group))
    whose = "its" if own.sum() == 1 else "their"
    told = f"{counted(int(own.sum()), 'group')} with a model of {whose} own, {int((~own).sum())} without"
    told += ", for which the pooled model stands in." if result.pooled is not None else "."
    more = parts.note(f"The first {SHOWN_GROUPS} groups:") if len(frame) > SHOWN_GROUPS else ""
    parts_of.append(
        parts.section(
            "Groups", parts.note(told), parts.pictures(drawn), more, parts.table(columns, lines, sortable=True)
        )
    )
    return parts_of


def _errors(subject: Subject, raw: np.ndarray, y: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Each group's mean error on the rows."""
    if subject.task == "regression":
        wrong = np.abs(subject.predicted(raw) - subject.in_units(y))
    else:
        wrong = (subject.probabilities(raw).argmax(axis=1) != y).astype(float)
    names, at = np.unique(labels, return_inverse=True)
    mean = np.bincount(at, wrong) / np.bincount(at)
    return dict(zip(map(str, names), mean.tolist(), strict=True))


def _for_people(frame: Any) -> Any:
    """Epochs are whole numbers where they are whole."""
    shown = {}
    for name in ("epochs_run", "best_epoch"):
        if name in frame.columns:
            told = [int(v) if float(v).is_integer() else float(v) for v in frame[name].tolist()]
            shown[name] = np.asarray(told, object)
    return frame.assign(**shown)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
