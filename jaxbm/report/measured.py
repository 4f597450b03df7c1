"""What a report says about a model: its outputs on rows, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxbm.members.ensemble import Ensemble
from jaxbm.members.result import MembersResult
from jaxbm.report import terminal
from jaxbm.understand.columns import groups_of
from jaxbm.understand.importance import drawn_orders, scores_of
from jaxbm.understand.predictor import predictor_of

MOST_ROWS, MOST_PREDICTIONS, REPEATS = 2000, 1_000_000, 5


@dataclass(frozen=True)
class Subject:
    """The model that a report is about."""

    predictor: Any
    """as `jaxbm.understand` takes it"""
    task: str
    """"binary", "multiclass" or "regression" """
    preparation: Any
    outputs: Callable[[np.ndarray], np.ndarray]
    """from features `[n, in]` to logits `[n, out]`"""
    output: int = 0
    """the one that is told about, of a regression of several"""
    several: bool = False
    """whether there are others"""

    @property
    def target(self) -> str:
        """The name of what is predicted."""
        if self.preparation is not None:
            return str(self.preparation.target)
        return f"output {self.output}" if self.several else "target"

    def classes(self, count: int) -> list[str]:
        """Their names, numbers where they have none."""
        if self.preparation is None:
            return [str(i) for i in range(max(count, 2))]
        return [str(name) for name in self.preparation.classes]

    def in_units(self, y: np.ndarray) -> np.ndarray:
        """A regression's labels in the target's units."""
        flat = np.asarray(y, np.float64).reshape(len(y), -1)[:, self.output]
        return flat if self.preparation is None else self.preparation.unscale(flat)

    def predicted(self, raw: np.ndarray) -> np.ndarray:
        """What outputs `[..., n, out]` of a regression predict, in the target's units."""
        if self.preparation is None:
            return np.asarray(raw, np.float64)[..., self.output]
        return self.preparation.predicted(raw)

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Of a classification's outputs `[n, out]`."""
        return terminal.probabilities(raw) if self.preparation is None else self.preparation.probabilities(raw)


def ensemble_of(result: MembersResult, preparation: Any) -> Ensemble:
    """The finite members together, whose outputs mean what the preparation says."""
    ensemble = Ensemble.of(result)
    return ensemble if preparation is None else replace(ensemble, meaning=preparation.meaning)


def metrics_of(subject: Subject, raw: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The task's metrics of outputs `[n, out]`."""
    if subject.task == "regression":
        return terminal.regression_metrics(subject.predicted(raw), subject.in_units(y))
    return terminal.class_metrics(subject.probabilities(raw), y)


def importance(subject: Subject, x: np.ndarray, y: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, str]:
    """`(names, mean, standard error, what)` of the columns' permutation importance, on as many rows as are
    cheap."""
    asked = predictor_of(subject.predictor, "regression" if subject.task == "regression" else "classification")
    groups = groups_of(asked._replace(preparation=subject.preparation), x.shape[1])
    most = min(MOST_ROWS, max(100, MOST_PREDICTIONS // (len(groups) * REPEATS)))
    if len(x) > most:
        kept = np.random.default_rng(0).choice(len(x), most, replace=False)
        x, y = x[kept], y[kept]
    labels = np.asarray(y)

    def log_likelihood(raw: np.ndarray) -> np.ndarray:
        p = np.stack([subject.probabilities(one) for one in raw])
        return np.log(np.maximum(p[:, np.arange(len(labels)), labels.astype(int)], 1e-30)).mean(axis=1)

    def r2(raw: np.ndarray) -> np.ndarray:
        wanted = subject.in_units(labels)
        return 1 - np.square(subject.predicted(raw) - wanted).sum(axis=1) / max(
            np.square(wanted - wanted.mean()).sum(), 1e-30
        )

    score, told = (r2, "R2 lost") if subject.task == "regression" else (log_likelihood, "log loss gained")
    _, lost = scores_of(lambda raw: score(np.asarray(raw)), asked, x, groups, drawn_orders(0, REPEATS, len(x)))
    return tuple(groups), lost.mean(axis=1), lost.std(axis=1, ddof=1) / np.sqrt(REPEATS), told


def spread_and_error(
    subject: Subject, ensemble: Any, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, str]:
    """For each row how far the members disagree and how wrong their mean is, and what "wrong" means."""
    if subject.task == "regression":
        wrong = np.abs(subject.predicted(subject.outputs(x)) - subject.in_units(y))
        return _spread(subject, ensemble, x), wrong, f"mean absolute error of {subject.target}"
    p = subject.probabilities(subject.outputs(x))
    members = np.stack([subject.probabilities(one) for one in ensemble.logits(x)])
    deviation = np.take_along_axis(members.std(axis=0), p.argmax(axis=1)[:, None], axis=1)[:, 0]
    return deviation, (p.argmax(axis=1) != np.asarray(y)).astype(float), "share of rows decided wrongly"


def _spread(subject: Subject, ensemble: Any, x: np.ndarray) -> np.ndarray:
    """How far members disagree about each row, in the target's units."""
    if subject.preparation is None or subject.preparation.meaning == "scores":
        scale = 1.0 if subject.preparation is None else subject.preparation.target_scale
        return ensemble.spread(x)[:, subject.output] * scale
    each = subject.predicted(ensemble.logits(x))
    weights = np.ones(len(each)) if ensemble.weights is None else ensemble.weights
    mean = np.average(each, axis=0, weights=weights)
    return np.sqrt(np.average(np.square(each - mean), axis=0, weights=weights))


def confusion_counts(decided: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """int `[label, decision]`."""
    return np.bincount(labels.astype(int) * count + decided.astype(int), minlength=count * count).reshape(
        count, count
    )


def each_output(subject: Subject, sets: Mapping[str, Any]) -> list[Subject]:
    """The subject itself, or of a regression of several quantities one for each."""
    last = list(sets.values())[-1][1]
    if subject.task != "regression" or last.ndim < 2:
        return [subject]
    return [replace(subject, output=i, several=True) for i in range(last.shape[1])]


def sets_of(data: Any, parts: tuple[str, ...]) -> dict[str, tuple[np.ndarray, ...]]:
    """Each data set's features and labels (and groups), those without rows left out.

    Raises:
      TypeError, ValueError: `data` is something else; the message names the set, what was expected and what came.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"data: expected {{name: ({', '.join(parts)})}}, got {type(data).__name__}")
    found = {}
    for name, given in data.items():
        if not isinstance(given, tuple | list) or len(given) != len(parts):
            came = f"{len(given)} of them" if isinstance(given, tuple | list) else type(given).__name__
            raise ValueError(f"data[{name!r}]: expected ({', '.join(parts)}), got {came}")
        arrays = tuple(np.asarray(part) for part in given)
        if any(part.ndim == 0 or len(part) != len(arrays[0]) for part in arrays):
            shapes = ", ".join(str(list(part.shape)) for part in arrays)
            raise ValueError(f"data[{name!r}]: expected {', '.join(parts)} of as many rows, got shapes {shapes}")
        if len(arrays[0]):
            x, y, *others = arrays
            found[str(name)] = (x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y, *others)
    if not found:
        raise ValueError("data: expected at least one set with rows, got none")
    return found


def checked_labels(name: str, y: np.ndarray, task: str, outputs: int) -> np.ndarray:
    """Labels `[n]` as a report of so many outputs takes them: class numbers, also from one-hot ones, or quantities,
    which may be `[n, outputs]`; ValueError for others."""
    if task == "regression":
        if y.ndim == 1 or y.shape[1:] == (outputs,):
            return y
        raise ValueError(f"data[{name!r}]: expected labels [n] or [n, {outputs}], got shape {list(y.shape)}")
    classes = max(outputs, 2)
    if task == "multiclass" and y.ndim == 2 and y.shape[1] == classes:
        return y.argmax(axis=1)
    whole = y.ndim == 1 and y.dtype.kind in "biuf" and bool((np.mod(y, 1) == 0).all())
    if not whole or y.min() < 0 or y.max() >= classes:
        came = (
            f"{y.min():.6g} to {y.max():.6g}"
            if y.ndim == 1 and y.dtype.kind in "biuf"
            else f"{y.dtype} {list(y.shape)}"
        )
        raise ValueError(f"data[{name!r}]: expected class numbers 0 to {classes - 1} as labels, got {came}")
    return y.astype(np.int64)
