"""A page about what a saved model does with its columns."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.extras import needs
from jaxbm.core.files import replace
from jaxbm.core.words import counted
from jaxbm.report import parts
from jaxbm.report.drawing import FAINT, FIRST, SECOND, SERIES, drawn, legend, short, tidy_axes
from jaxbm.understand import accumulated_local_effects, partial_dependence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS, MOST_CURVES, MOST_CATEGORIES, POINTS = 1000, 40, 30, 40


@needs("the page")
def explanation(
    path: str | os.PathLike[str], saved: Any, frame: Any, found: Any, names: Sequence[str], *, command: Sequence[str]
) -> pathlib.Path:
    """Write the importance `found`, and for each column of `names` its dependence and local effects, as one page."""
    import shlex

    from jaxbm.report import pictures

    rows = frame if len(frame) <= MOST_ROWS else frame.sample(MOST_ROWS, random_state=0)
    bars = pictures.importance(found.names, found.mean, found.standard_error, f"how much worse {found.metric} gets")
    told = f"Each column's values change places between rows, {counted(found.importances.shape[1], 'time')}."
    sections = [parts.section("Importance of the columns", parts.note(told), parts.pictures([("", bars)]))]
    for name in names:
        drawings = _column(saved, rows, name)
        told = parts.note("Its values are too many to draw, or all the same in these rows.")
        sections.append(parts.section(name, parts.pictures(drawings) if drawings else told))
    sections.append(parts.section("The command", parts.pre(shlex.join(command), wrapped=True)))
    title = f"What the model of {saved.preparation.target} goes by"
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    subtitle = f"{counted(len(frame), 'row')}; {found.metric} {parts.number(found.baseline)}"
    replace(path, parts.page(title, subtitle, "\n".join(sections)).encode())
    return path


def _column(saved: Any, rows: Any, name: str) -> list[tuple[str, str]]:
    """Its pictures; none of a column of words with too many values to be drawn."""
    target = str(saved.preparation.target)
    is_regression = saved.preparation.task == "regression"
    try:
        found = partial_dependence(saved, rows, name, grid_points=POINTS, individual=True)
    except ValueError:  # too many categories, or none
        return []
    grid = found.grid[0]
    if grid.dtype.kind not in "iufMm":
        return [("Partial dependence", _words(found, target))] if len(grid) <= MOST_CATEGORIES else []
    drawings = [("Partial dependence, and single rows", _numbers(found, name, target, is_regression))]
    try:
        effects = accumulated_local_effects(saved, rows, name)
    except ValueError:  # one value in these rows, or dates
        return drawings
    return [*drawings, ("Accumulated local effects", _effects(effects, name, target))]


def _label(target: str, outputs: tuple[str, ...] | None) -> str:
    one = outputs is not None and len(outputs) == 1 and outputs[0] != target
    return f"probability of {outputs[0]}" if one and outputs else target


@drawn("Partial dependence")
def _numbers(axes: Axes, found: Any, name: str, target: str, is_regression: bool) -> None:
    curves = found.individual[:, :: max(1, found.individual.shape[1] // MOST_CURVES)]
    several, grid = found.average.shape[1] > 1, found.grid[0]
    if grid.dtype.kind == "m":
        grid, name = grid / np.timedelta64(1, "h"), f"{name} (hours)"
    if grid.dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        axes.xaxis.set_major_locator(AutoDateLocator(maxticks=6))
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    if not several:
        axes.plot(grid, curves[:, :, 0], color=FAINT, lw=0.6, alpha=0.35)
    for k, colour in zip(range(found.average.shape[1]), SERIES, strict=False):
        label = found.outputs[k] if several and found.outputs else None
        axes.plot(grid, found.average[:, k], color=colour, lw=2.2, label=label)
    if not is_regression:
        axes.set_ylim(-0.03, 1.03)
    tidy_axes(axes, xlabel=name, ylabel="probability" if several else _label(target, found.outputs))
    legend(axes)


@drawn("Partial dependence")
def _words(axes: Axes, found: Any, target: str) -> tuple[float, float]:
    values = found.average[:, -1 if found.average.shape[1] == 1 else 0]
    places = np.arange(len(values))
    axes.barh(places, values, color=FIRST, height=0.6)
    axes.set_yticks(places, [short(str(v), 24) for v in found.grid[0]])
    axes.margins(y=0.02)
    axes.tick_params(axis="y", length=0)
    label = _label(target, found.outputs)
    if found.average.shape[1] > 1 and found.outputs:
        label = f"probability of {found.outputs[0]}"
    tidy_axes(axes, xlabel=label)
    return 3.9, 0.7 + 0.26 * len(values)


@drawn("Accumulated local effects")
def _effects(axes: Axes, found: Any, name: str, target: str) -> None:
    several = found.effects.shape[1] > 1
    axes.axhline(0, color=FAINT, lw=1, ls=":")
    for k, colour in zip(range(found.effects.shape[1]), SERIES if several else (SECOND,), strict=False):
        label = found.outputs[k] if several and found.outputs else None
        axes.plot(found.grid, found.effects[:, k], color=colour, lw=2, marker="o", ms=3, label=label)
    what = "probability" if several else _label(target, found.outputs)
    tidy_axes(axes, xlabel=name, ylabel=f"effect on {what}")
    legend(axes)
