"""The pictures of a model: how it learned, and how well it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.report.curves import precision_recall, roc
from jaxbm.report.drawing import (
    FAINT,
    FIRST,
    INK,
    SECOND,
    SERIES,
    WIDE,
    drawn,
    legend,
    legend_of_many,
    logarithmic,
    short,
    tidy_axes,
    whole_numbers,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS, MOST_BARS = 1500, 15


@drawn("Loss by epoch", WIDE)
def learning_curves(axes: Axes, history: Mapping[str, Any], best_epoch: int | None) -> None:
    """Loss and validation loss by epoch; of many members the middle one and the middle four fifths, as long as half
    of them train: who trains on then is no sample of all."""
    ends: list[int] = []
    epochs = np.arange(1, 2)
    for colour, name in ((FIRST, "loss"), (SECOND, "val_loss")):
        if name not in history:
            continue
        values = np.asarray(history[name], np.float64)
        epochs = np.arange(1, values.shape[-1] + 1)
        label = "training" if name == "loss" else "validation"
        if values.ndim == 1:
            axes.plot(epochs, values, color=colour, label=label, marker="o" if len(epochs) < 25 else None, ms=3)
            continue
        counts = np.isfinite(values).sum(axis=0)
        ran = (counts > 0) & (2 * counts >= counts.max())
        finite = np.where(np.isfinite(values), values, np.nan)
        low, middle, high = np.nanquantile(finite[:, ran], [0.1, 0.5, 0.9], axis=0)
        ends.append(int(epochs[ran].max(initial=1)))
        axes.plot(epochs[ran], middle, color=colour, label=f"{label}, middle member")
        axes.fill_between(epochs[ran], low, high, color=colour, alpha=0.18, lw=0)
    if best_epoch is not None:
        axes.axvline(best_epoch + 1, color=FAINT, lw=1, ls="--")
        axes.annotate("best", (best_epoch + 1, 1), xycoords=("data", "axes fraction"), xytext=(3, -10),
                      textcoords="offset points", fontsize=9)  # fmt: skip
    last = max(ends, default=None)
    shown = np.concatenate(
        [np.ravel(np.asarray(history[n])[..., :last]) for n in ("loss", "val_loss") if n in history]
    )
    shown = shown[np.isfinite(shown)]
    if shown.size and shown.min() > 0 and shown.max() > 20 * shown.min():
        logarithmic(axes)
    whole_numbers(axes.xaxis)
    if len(epochs) == 1:
        axes.set_xlim(0.5, 1.5)
    tidy_axes(axes, xlabel="epoch", ylabel="loss")
    legend(axes)


def classification(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[tuple[str, str]]:
    """`(title, picture)`: ROC and precision-recall curves of each class against the rest, and the calibration."""
    count = probabilities.shape[1]
    several = count > 2
    rows = np.bincount(labels.astype(int), minlength=count)
    chosen = np.argsort(-rows, kind="stable")[: len(SERIES)] if several else np.asarray([1])
    told = sorted(c for c in chosen.tolist() if 0 < rows[c] < len(labels))
    scored = [(short(classes[c], 24), probabilities[:, c], labels == c) for c in told]
    which = f", the {len(scored)} largest of {count} classes" if count > len(SERIES) else ""
    pictures = []
    if scored:
        pictures += [
            (f"ROC curve{which}", _roc(scored)),
            (f"Precision and recall{which}", _precision_recall(scored)),
        ]
    return [*pictures, ("Calibration", _calibration(probabilities, labels, several))]


@drawn("ROC curve")
def _roc(axes: Axes, scored: list[tuple[str, np.ndarray, np.ndarray]]) -> tuple[float, float]:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
    for colour, (name, p, is_class) in zip(SERIES, scored, strict=False):
        wrong, right, area = roc(p, is_class)
        axes.plot(*_thinned(wrong, right), color=colour, label=f"{name}: {area:.3f}")
    tidy_axes(axes, xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return legend_of_many(axes, "area", "lower right")


@drawn("Precision and recall")
def _precision_recall(axes: Axes, scored: list[tuple[str, np.ndarray, np.ndarray]]) -> tuple[float, float]:
    for colour, (name, p, is_class) in zip(SERIES, scored, strict=False):
        recall, precision, average = precision_recall(p, is_class)
        axes.plot(*_thinned(recall, precision), color=colour, drawstyle="steps-pre", label=f"{name}: {average:.3f}")
        axes.axhline(is_class.mean(), color=colour, lw=1, ls=":")
    tidy_axes(axes, xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return legend_of_many(axes, "average precision", "lower left")


@drawn("Calibration")
def _calibration(axes: Axes, probabilities: np.ndarray, labels: np.ndarray, several: bool) -> None:
    """How often it is so among rows that were given about that probability; below, how many rows those are."""
    said = probabilities.max(axis=1) if several else probabilities[:, 1]
    true = (probabilities.argmax(axis=1) == labels) if several else labels == 1
    bins = np.linspace(0, 1, 11)
    at = np.clip(np.digitize(said, bins) - 1, 0, 9)
    counts = np.bincount(at, minlength=10)
    some = counts > 0
    mean, share = (np.bincount(at, v, minlength=10)[some] / counts[some] for v in (said, true))
    low, high = _wilson(share, counts[some])
    axes.bar((bins[1:] + bins[:-1]) / 2, counts / counts.max() * 0.25, 0.09, color=FAINT, alpha=0.35, label="rows")
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
    axes.errorbar(
        mean, share, [share - low, high - share], color=FIRST, fmt="o", ms=5, elinewidth=1, label="observed"
    )
    xlabel = "probability of the decided class" if several else "predicted probability"
    tidy_axes(axes, xlabel=xlabel, ylabel="share that came true", xlim=(-0.02, 1.02), ylim=(-0.02, 1.2))
    axes.legend(loc="upper left", ncols=2, fontsize=9, handlelength=1.4, borderaxespad=0)  # above what is drawn


def regression(predicted: np.ndarray, true: np.ndarray, target: str) -> list[tuple[str, str]]:
    """`(title, picture)`: predicted against true values, and the residuals."""
    shown = np.arange(len(true))
    if len(shown) > MOST_POINTS:
        shown = np.random.default_rng(0).choice(len(true), MOST_POINTS, replace=False)
    return [
        ("Predicted against true", _against(predicted[shown], true[shown], target)),
        ("Residuals by prediction", _residuals(predicted[shown], (predicted - true)[shown])),
        ("Residuals", distribution(predicted - true, "predicted minus true", "rows")),
    ]


@drawn("Predicted against true")
def _against(axes: Axes, predicted: np.ndarray, true: np.ndarray, target: str) -> None:
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    axes.plot(ends, ends, color=FAINT, lw=1, ls=":")
    axes.scatter(true, predicted, s=9, color=FIRST, alpha=0.55, lw=0)
    tidy_axes(axes, xlabel=f"true {target}", ylabel="predicted")


@drawn("Residuals by prediction")
def _residuals(axes: Axes, predicted: np.ndarray, residuals: np.ndarray) -> None:
    axes.axhline(0, color=FAINT, lw=1, ls=":")
    axes.scatter(predicted, residuals, s=9, color=FIRST, alpha=0.55, lw=0)
    tidy_axes(axes, xlabel="predicted", ylabel="predicted minus true")


@drawn("Permutation importance", WIDE)
def importance(
    axes: Axes, names: Sequence[str], mean: np.ndarray, error: np.ndarray, metric: str
) -> tuple[float, float]:
    """A bar for each of the most important columns, with the standard error over the repeats."""
    order = np.argsort(-mean, kind="stable")[:MOST_BARS][::-1]
    places = np.arange(len(order))
    error_kw = {"ecolor": INK, "elinewidth": 1}
    axes.barh(places, mean[order], xerr=np.nan_to_num(error[order]), color=FIRST, height=0.62, error_kw=error_kw)
    axes.axvline(0, color=FAINT, lw=1)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(places, [short(names[i]) for i in order])
    axes.margins(y=0.01)
    tidy_axes(axes, xlabel=metric)
    axes.spines["left"].set_visible(False)
    return WIDE[0], 0.6 + 0.24 * len(order)


@drawn("Error by the members' spread")
def spread(axes: Axes, deviation: np.ndarray, error: np.ndarray, unit: str) -> None:
    """Rows by how far the members disagree: the error in each tenth of them, which should rise with it."""
    edges = np.unique(np.quantile(deviation, np.linspace(0, 1, 11)))
    at = np.clip(np.searchsorted(edges, deviation, side="right") - 1, 0, max(len(edges) - 2, 0))
    counts = np.bincount(at)
    mean, wrong = (np.bincount(at, v) / np.maximum(counts, 1) for v in (deviation, error))
    axes.plot(mean[counts > 0], wrong[counts > 0], color=FIRST, marker="o", ms=4)
    tidy_axes(axes, xlabel="the members' deviation from each other", ylabel=unit)
    axes.set_ylim(bottom=0)


@drawn("Distribution")
def distribution(axes: Axes, values: np.ndarray, label: str, what: str = "how many") -> None:
    """How many members (groups, trials) have which value."""
    values = values[np.isfinite(values)]
    axes.hist(values, bins=min(30, max(6, len(values) // 4)), color=FIRST, alpha=0.7)
    whole_numbers(axes.yaxis)
    tidy_axes(axes, xlabel=label, ylabel=what)


def _wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% interval of a share among so many rows (Wilson, 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def _thinned(x: np.ndarray, y: np.ndarray, most: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """At most about so many points of a curve."""
    step = max(1, len(x) // most)
    at = np.unique(np.append(np.arange(0, len(x), step), len(x) - 1))
    return x[at], y[at]
