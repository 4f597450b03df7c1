"""Plots of a file of results; needs matplotlib, draws without a display."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxbm.benchmarks import analysis, method
from jaxbm.benchmarks.contest import OURS, Contest
from jaxbm.benchmarks.record import Records, Result
from jaxbm.benchmarks.text import seconds_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUR_COLOUR, OTHER_COLOUR = "#c44e52", "#4c72b0"
LINE_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:cyan", "tab:olive", "tab:gray")
"""no other red than ours"""
PANELS = 10
"""contests in one picture of bars"""
Lines = Mapping[str, Sequence[tuple[float, float]]]


def draw(records: Records, contests: Mapping[str, Contest], folder: Path) -> dict[Path, str]:
    """Draw what the results allow: bars against peers, roofline, time to a loss, scaling.

    Returns:
      Titles of the pictures by path, in the order to show them.
    """
    drawn: list[tuple[str, str, Figure | None]] = []
    names = _against_peers(records, contests)
    for start in range(0, len(names), PANELS):
        number = start // PANELS + 1
        bars = _bars(records, contests, names[start : start + PANELS])
        drawn.append((f"peers-{number}", f"Time against peers, part {number}", bars))
    drawn.append(("roofline", "How near to the machine's limits", _roofline(records)))
    drawn.append(("time-to-loss", "Validation loss over time", _losses(records)))
    for name, title, label, lines in _series(records):
        drawn.append((f"scaling-{name}", title, _scaling(title, label, lines)))
    drawn.append(("scaling-threads", "Speed by number of threads", _threads(records)))
    paths = {}
    for name, title, figure in drawn:
        if figure is not None:
            path = folder / f"{name}.svg"
            figure.savefig(path)
            paths[path] = title
    return paths


def _new(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


SERIES = ("batch-", "width-", "scaling-", "threads")
"""contests that are drawn as lines"""


def _against_peers(records: Records, contests: Mapping[str, Contest]) -> list[str]:
    """Contests with somebody to compare with that no other picture shows."""
    names = records.contests(list(contests))
    return [n for n in names if len(analysis.timed(records.contest(n))) > 1 and not n.startswith(SERIES)]


def _bars(records: Records, contests: Mapping[str, Contest], names: Sequence[str]) -> Figure:
    """A panel for each contest: bars of the time per unit, from zero, the fastest at the top."""
    shown = {name: analysis.timed(records.contest(name)) for name in names}
    heights = [0.55 + 0.24 * len(results) for results in shown.values()]
    figure = _new(8, sum(heights))
    panels = figure.subplots(len(names), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (name, results) in zip(panels, shown.items(), strict=True):
        order = sorted(results, key=lambda c: -analysis.median(results[c]))
        seconds = [analysis.median(results[c]) for c in order]
        colours = [OUR_COLOUR if c.startswith(OURS) else OTHER_COLOUR for c in order]
        bars = axes.barh(order, seconds, color=colours)
        axes.bar_label(bars, [seconds_text(value) for value in seconds], padding=3, fontsize=8)
        axes.set_xlim(0, 1.18 * max(seconds))
        axes.xaxis.set_visible(False)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        unit = next(iter(results.values())).unit
        title = contests[name].title if name in contests else name
        axes.set_title(f"{title}: time per {unit}", fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
    return figure


def _roofline(records: Records) -> Figure | None:
    """Achieved FLOP/s over FLOPs per byte, under the machine's roof."""
    points = []
    for name in records.contests():
        results = records.contest(name)
        run = records.run_of(next(iter(results.values())))
        for contestant, result in analysis.timed(results).items():
            if result.flops and result.bytes and "peak" in run.limits:
                seconds = analysis.median(result) * result.units
                ours = contestant.startswith(OURS)
                points.append((result.flops / result.bytes, result.flops / seconds / 1e9, ours, run.limits))
    if not points:
        return None
    limits = points[-1][3]
    bandwidth = max(limits["triad"], limits["seven_streams"]) / 1e9
    figure = _new(7, 4.5)
    axes = figure.add_subplot(
        xscale="log",
        yscale="log",
        xlabel="FLOPs per compulsory byte",
        ylabel="GFLOP/s",
        title="How near to the machine's limits",
    )
    edges = [min(p[0] for p in points) / 2, max(p[0] for p in points) * 2]
    for rate, label, style in ((limits["peak"], "all cores", "-"), (limits["peak_core"], "one core", "--")):
        corners = sorted({*edges, rate / 1e9 / bandwidth})
        roof = [min(rate / 1e9, x * bandwidth) for x in corners]
        axes.plot(corners, roof, style, color="black", label=f"limit, {label}")
    for ours, colour in ((False, OTHER_COLOUR), (True, OUR_COLOUR)):
        chosen = [p for p in points if p[2] == ours]
        xs, ys = [p[0] for p in chosen], [p[1] for p in chosen]
        axes.scatter(xs, ys, s=16, color=colour, alpha=0.8, label=OURS if ours else "peers")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _losses(records: Records) -> Figure | None:
    """Validation loss after each epoch over the seconds of training, compilation not counted."""
    lines = {}
    for name in records.contests():
        for contestant, result in analysis.timed(records.contest(name)).items():
            curve = result.curves.get("val_loss", [])
            each = method.quantiles(result.samples)[1] / max(1, len(curve))
            if curve:
                lines[contestant] = [(each * (i + 1), loss) for i, loss in enumerate(curve)]
    if not lines:
        return None
    figure = _new(7, 4)
    axes = figure.add_subplot(
        xscale="log",
        xlabel="seconds of training, compilation not counted",
        ylabel="validation loss",
        title="Validation loss over time",
    )
    _plot(figure, axes, lines)
    return figure


def _series(records: Records) -> list[tuple[str, str, str, Lines]]:
    """`(name, title, label of the axis, lines)`: microseconds per step over what is scaled."""

    def lines(prefixes: tuple[str, ...], at: Callable[[Result], float]) -> Lines:
        found: dict[str, dict[float, float]] = {}
        for name in records.contests():
            results = analysis.timed(records.contest(name)) if name.startswith(prefixes) else {}
            for contestant, result in results.items():
                # Who was timed on fewer members stands for another number of them.
                if result.members_timed is None and "process" not in contestant:
                    line = contestant + (", shared batches" if result.case.get("shared") else "")
                    found.setdefault(line, {})[at(result)] = 1e6 * analysis.median(result)
        return {line: sorted(points.items()) for line, points in found.items()}

    return [
        (
            "members",
            "Time by number of members, 20-64-32-1, batch 32",
            "members",
            lines(("scaling-", "members-"), lambda r: r.case["members"]),
        ),
        (
            "batch",
            "Time by batch size, 20-64-32-1",
            "rows per batch",
            lines(("batch-",), lambda r: r.case["batch_size"]),
        ),
        (
            "width",
            "Time by hidden width, 64-width-width-1, batch 128",
            "hidden width",
            lines(("width-",), lambda r: r.case["sizes"][1]),
        ),
    ]


def _scaling(title: str, label: str, lines: Lines) -> Figure | None:
    if max((len(points) for points in lines.values()), default=0) < 2:
        return None
    figure = _new(7, 4.5)
    unit = "us per step of a member" if label == "members" else "us per step"
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel=label, ylabel=unit, title=title)
    _plot(figure, axes, lines)
    xs = sorted({x for points in lines.values() for x, _ in points})
    if label != "members":
        axes.set_xticks(xs)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_formatter("")
    _plain(axes, [y for points in lines.values() for _, y in points])
    return figure


def _plain(axes: Axes, values: Sequence[float]) -> None:
    """Numbers instead of powers of ten on the vertical axis, and its whole decades."""
    axes.set_ylim(10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values))))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(axis="y", alpha=0.3)


def _threads(records: Records) -> Figure | None:
    """Speed by number of threads, as a multiple of one thread's."""
    timed = analysis.timed(records.contest("threads"))
    counts = {int(c.split(", ")[1].split()[0]): analysis.median(r) for c, r in timed.items() if "thread" in c}
    if len(counts) < 2 or 1 not in counts:
        return None
    figure = _new(5, 3.5)
    title = "64 members by number of threads"
    axes = figure.add_subplot(xlabel="threads", ylabel="times one thread's speed", title=title)
    axes.plot(list(counts), list(counts), "--", color="black", alpha=0.5, label="proportional")
    _plot(figure, axes, {OURS: [(count, counts[1] / seconds) for count, seconds in counts.items()]})
    axes.set_ylim(bottom=0)
    axes.set_xticks(sorted(counts))
    return figure


def _plot(figure: Figure, axes: Axes, lines: Lines) -> None:
    axes.set_prop_cycle(color=LINE_COLOURS)
    for name, points in lines.items():
        xs, ys = zip(*sorted(points), strict=True)
        style = "--" if name.endswith("shared batches") else "-"
        colour = OUR_COLOUR if name.startswith(OURS) else None
        axes.plot(xs, ys, style, marker="o", markersize=4, label=name, color=colour)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
