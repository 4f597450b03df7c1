"""Plots of a file of results; needs matplotlib, draws without a display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jaxbm.benchmarks import analysis
from jaxbm.benchmarks.contest import OURS, Contest
from jaxbm.benchmarks.record import Records, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUR_COLOUR, OTHER_COLOUR = "#c44e52", "#4c72b0"
SERIES: dict[str, tuple[str, str, Callable[[Result], float]]] = {
    "members": ("scaling-", "members", lambda r: r.case["members"]),
    "batch": ("batch-", "rows per batch", lambda r: r.case["batch_size"]),
    "width": ("width-", "hidden width", lambda r: r.case["sizes"][1]),
}


def draw(records: Records, contests: Mapping[str, Contest], folder: Path) -> list[Path]:
    """Draw what the results allow: bars against peers, roofline, scaling by members, batch, width and threads.

    Returns:
      Paths of the pictures, in the order to show them.
    """
    drawn = [("peers", _bars(records, contests)), ("roofline", _roofline(records))]
    drawn += [(f"scaling-{name}", _scaling(records, *series)) for name, series in SERIES.items()]
    drawn.append(("scaling-threads", _threads(records)))
    paths = []
    for name, figure in drawn:
        if figure is not None:
            paths.append(folder / f"{name}.svg")
            figure.savefig(paths[-1])
    return paths


def _new(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _bars(records: Records, contests: Mapping[str, Contest]) -> Figure | None:
    """A panel of bars for each contest with more than one contestant, time per unit on a logarithmic axis."""
    from matplotlib.ticker import NullFormatter

    chosen = {}
    for name in records.contests(list(contests)):
        results = analysis.timed(records.contest(name))
        if len(results) > 1 and not name.startswith(tuple(prefix for prefix, *_ in SERIES.values())):
            chosen[name] = results
    if not chosen:
        return None
    heights = [0.9 + 0.28 * len(results) for results in chosen.values()]
    figure = _new(8, sum(heights))
    panels = figure.subplots(len(chosen), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (name, results) in zip(panels, chosen.items(), strict=True):
        names = sorted(results, key=lambda c: -analysis.median(results[c]))
        values = [1e6 * analysis.median(results[c]) for c in names]
        colours = [OUR_COLOUR if c.startswith(OURS) else OTHER_COLOUR for c in names]
        bars = axes.barh(names, values, color=colours)
        axes.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=8)
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(values) / 4, 3 * max(values))
        axes.set_title(contests[name].title if name in contests else name, fontsize=9, loc="left")
        axes.set_xlabel(f"us per {next(iter(results.values())).unit}", fontsize=8)
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
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel="FLOPs per compulsory byte", ylabel="GFLOP/s")
    edges = [min(p[0] for p in points) / 2, limits["peak"] / 1e9 / bandwidth, max(p[0] for p in points) * 2]
    edges = sorted(edges)
    for rate, label in ((limits["peak"], "all cores"), (limits["peak_core"], "one core")):
        axes.plot(edges, [min(rate / 1e9, x * bandwidth) for x in edges], label=f"limit, {label}")
    for ours, colour in ((False, OTHER_COLOUR), (True, OUR_COLOUR)):
        chosen = [p for p in points if p[2] == ours]
        axes.scatter(
            [p[0] for p in chosen], [p[1] for p in chosen], s=14, color=colour, label=OURS if ours else "peers"
        )
    axes.legend()
    return figure


def _scaling(records: Records, prefix: str, label: str, at: Callable[[Result], float]) -> Figure | None:
    """Time per step over what is scaled, a line for each contestant."""
    lines: dict[str, list[tuple[float, float]]] = {}
    unit = "step"
    for name in records.contests():
        if name.startswith(prefix):
            for contestant, result in analysis.timed(records.contest(name)).items():
                lines.setdefault(contestant, []).append((at(result), 1e6 * analysis.median(result)))
                unit = result.unit
    if max((len(points) for points in lines.values()), default=0) < 2:
        return None
    figure = _new(6, 4)
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel=label, ylabel=f"us per {unit}")
    _plot(axes, lines)
    return figure


def _threads(records: Records) -> Figure | None:
    """Speed by number of threads, as a multiple of one thread's."""
    timed = analysis.timed(records.contest("threads"))
    counts = {int(c.split(", ")[1].split()[0]): analysis.median(r) for c, r in timed.items() if "thread" in c}
    if len(counts) < 2 or 1 not in counts:
        return None
    figure = _new(5, 3.5)
    axes = figure.add_subplot(xlabel="threads", ylabel="times one thread's speed")
    _plot(axes, {OURS: [(count, counts[1] / seconds) for count, seconds in counts.items()]})
    axes.set_ylim(bottom=0)
    return figure


def _plot(axes: Axes, lines: Mapping[str, list[tuple[float, float]]]) -> None:
    for name, points in lines.items():
        xs, ys = zip(*sorted(points), strict=True)
        axes.plot(xs, ys, marker="o", label=name, color=OUR_COLOUR if name == OURS else None)
    axes.legend()
