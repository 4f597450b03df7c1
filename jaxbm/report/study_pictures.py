"""The pictures of a sweep: its trials, and which hyper-parameters mattered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.report.drawing import FAINT, FIRST, INK, LETTER, PAPER, WIDE, drawn, short, tidy_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 300
UNIT = 1.1
"""Inches from one hyper-parameter to the next, at least."""


@drawn("Parallel coordinates of the trials", WIDE)
def parallel_coordinates(
    axes: Axes, trials: Sequence[dict[str, Any]], scores: np.ndarray, metric: str, greater: bool
) -> tuple[float, float]:
    """A line for each trial across its hyper-parameters to its score; the best tenth is told apart."""
    names = [n for n in trials[0] if len({str(t[n]) for t in trials}) > 1]
    kept = np.flatnonzero(np.isfinite(scores))
    order = kept[np.argsort(scores[kept] * (1 if greater else -1), kind="stable")]  # the best is drawn last
    order = order[-MOST_LINES:]
    best = set(order[-max(1, len(order) // 10) :].tolist())
    places = [_positions([t[n] for t in trials]) for n in names]
    ends = (scores[kept].min(), scores[kept].max())
    height = (scores - ends[0]) / max(ends[1] - ends[0], 1e-30)
    for i in order:
        heights = [p[0][i] for p in places] + [height[i]]
        is_best = i in best
        axes.plot(
            heights, color=FIRST if is_best else FAINT, alpha=0.95 if is_best else 0.3, lw=1.5 if is_best else 0.8
        )
    for k, ticks in enumerate([p[1] for p in places] + [[(0, f"{ends[0]:.3g}"), (1, f"{ends[1]:.3g}")]]):
        axes.axvline(k, color=INK, lw=0.8)
        for at, text in ticks:
            axes.annotate(
                short(text, 16), (k, at), xytext=(4, 0), textcoords="offset points", fontsize=8, va="center",
                bbox={"facecolor": PAPER, "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            )  # fmt: skip
    axes.set_xticks(range(len(names) + 1), [n.replace("_", "\n") for n in names] + [metric.replace("_", "\n")])
    widest = max(map(len, (names or [metric])[0].split("_")))
    room = max(0.1, 0.5 * LETTER * widest / UNIT)  # for the left half of the first name
    axes.set(yticks=[], xlim=(-room, len(names) + 0.45), ylim=(-0.04, 1.04))
    axes.tick_params(axis="x", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return max(WIDE[0], UNIT * (len(names) + 1)), 3.3


def _positions(values: list[Any]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Each value's height from 0 to 1, and what to write where."""
    if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values):
        numbers = np.asarray(values, np.float64)
        low, high = numbers.min(), numbers.max()
        if len(np.unique(numbers)) > 1:
            logarithmic = low > 0 and high > 20 * low
            shown = np.log(numbers) if logarithmic else numbers
            ends = [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")]
            return (shown - shown.min()) / (shown.max() - shown.min()), ends
    texts = [_text(v) for v in values]
    distinct = sorted(set(texts))
    height = {t: i / max(len(distinct) - 1, 1) for i, t in enumerate(distinct)}
    return np.asarray([height[t] for t in texts]), [(height[t], t) for t in distinct]


def _text(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def hyper_parameter_importance(trials: Sequence[dict[str, Any]], scores: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Each hyper-parameter's share in the order of the scores: the permutation importance of a random forest
    fitted to the trials (Hutter, Hoos and Leyton-Brown, 2014, measure a forest's variance for the same end)."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    names = [n for n in trials[0] if len({str(t[n]) for t in trials}) > 1]
    kept = np.isfinite(scores)
    if not names or kept.sum() < 8:
        return [], np.zeros(0)
    x = np.stack([_positions([t[n] for t in trials])[0] for n in names], axis=1)[kept]
    y = scores[kept].argsort().argsort()  # ranks: one trial that went astray is not the whole of the variation
    forest = RandomForestRegressor(64, random_state=0, min_samples_leaf=2).fit(x, y)
    found = permutation_importance(forest, x, y, n_repeats=5, random_state=0)
    values = np.maximum(found.importances_mean, 0)
    return names, values / max(values.sum(), 1e-30)


@drawn("Importance of the hyper-parameters", WIDE)
def bars(axes: Axes, names: Sequence[str], values: np.ndarray, label: str) -> tuple[float, float]:
    """A bar for each name."""
    order = np.argsort(values)
    axes.barh([names[i].replace("_", " ") for i in order], values[order], color=FIRST, height=0.6)
    axes.tick_params(axis="y", length=0)
    tidy_axes(axes, xlabel=label)
    axes.spines["left"].set_visible(False)
    return WIDE[0], 0.6 + 0.3 * len(names)
