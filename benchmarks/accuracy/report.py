"""What the contest found, as Markdown: standings, every table's losses, a plot of rank against time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxbm.benchmarks.accuracy.contest import load, load_machine
from jaxbm.benchmarks.accuracy.ranking import Standing, by_splits, standings
from jaxbm.benchmarks.text import table
from jaxbm.core.words import counted

HEADER = ["contestant", "average rank", "95% interval", "loss over the best", "rank by accuracy, R2", "CPU seconds"]


def block(path: Path) -> str:
    """What the README says: standings on the tables nothing was chosen with, then on the others."""
    told = "Random splits of each table, ranked by log loss or RMSE on a fifth of it."
    return "\n\n".join([f"{_machine(load_machine(path))} {told}", *_halves(load(path))])


def write(path: Path, folder: Path) -> Path:
    """Write `accuracy.md` and a plot beside it; returns the report's path."""
    results = load(path)
    parts = ["# Accuracy on real tables", _machine(load_machine(path)), *_halves(results, wall=True)]
    picture = _plot(*_everybody(results), folder / "accuracy.svg")
    parts += [f"![Average rank against CPU seconds]({picture.name})"] if picture is not None else []
    parts += ["## Losses, means over splits", _losses(results), LEGEND]
    broken = [
        f"- {r['contestant']} on {r['table']}, split {r['split']}: {r['error']}" for r in results if "error" in r
    ]
    parts += ["## Who broke", "\n".join(broken)] if broken else []
    written = folder / "accuracy.md"
    written.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return written


LEGEND = """A rank is a contestant's place on a table, by log loss of classes or RMSE of quantities on the fifth of
the rows that was set apart; the interval is a bootstrap over tables. "Loss over the best" is the geometric mean over
tables of its loss over that table's lowest. CPU seconds are those of learning and predicting, all threads together,
compilation included, the last column those of the wall's clock; the medians over tables. The constants of the presets
were chosen with the tables called seen."""


def _halves(results: Sequence[dict[str, Any]], wall: bool = False) -> list[str]:
    parts = []
    for seen, told in (
        (False, "Tables that decided no constant, as far as is on record"),
        (True, "Tables that decided constants"),
    ):
        half = [r for r in results if r["seen"] == seen]
        names = ", ".join(dict.fromkeys(r["table"] for r in half))
        for number, (splits, lines) in enumerate(by_splits(half)):
            where = "the same tables, those too who were measured on fewer splits" if number else f"{told} ({names})"
            header = [*HEADER, "seconds"] if wall else HEADER
            rows = [[*_row(s), f"{s.seconds:.1f}"][: len(header)] for s in standings(lines)]
            parts += [f"{where[0].upper()}{where[1:]}; {counted(len(splits), 'split')}:", table(header, rows)]
    return parts


def _row(s: Standing) -> list[str]:
    interval = f"{s.low:.1f} to {s.high:.1f}"
    return [s.contestant, f"{s.rank:.1f}", interval, f"{s.loss:.3f}x", f"{s.score_rank:.1f}", f"{s.cpu_seconds:.2f}"]


def _everybody(results: Sequence[dict[str, Any]]) -> tuple[list[Standing], str]:
    """Those who are ranked where most compete, on the tables that decided nothing if there are such; and what these
    are."""
    unseen = [r for r in results if not r["seen"]]
    parts = by_splits(unseen or results)
    told = f"{len({r['table'] for r in unseen or results})} tables" + " that decided no constant" * bool(unseen)
    return (standings(parts[-1][1]), f"{told}, {counted(len(parts[-1][0]), 'split')}") if parts else ([], told)


def _losses(results: Sequence[dict[str, Any]]) -> str:
    everybody = list(dict.fromkeys(r["contestant"] for r in results))
    rows = []
    for name in dict.fromkeys(r["table"] for r in results):
        of_table = [r for r in results if r["table"] == name]
        losses = {c: [r["loss"] for r in of_table if r["contestant"] == c and "loss" in r] for c in everybody}
        first = of_table[0]
        half = "seen" if first["seen"] else ""
        shown = [f"{np.mean(losses[c]):.4g}" if losses[c] else "" for c in everybody]
        rows.append([name, half, first["task"], str(first["rows"]), str(first["columns"]), *shown])
    return table(["table", "", "task", "rows", "columns", *everybody], rows, left=3)


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return f"{machine['cpu']}, kernels {machine['kernels']}, Python {machine['python']}; {versions}."


def _plot(found: Sequence[Standing], told: str, path: Path) -> Path | None:
    """Average rank against CPU seconds, if anybody is ranked."""
    if not found:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="CPU seconds, median over tables", ylabel="average rank (less is better)")
    axes.set(xscale="log", title=told)
    for s in found:
        colour = "#c44e52" if s.contestant.startswith("jaxbm") else "#4c72b0"
        axes.errorbar(s.cpu_seconds, s.rank, [[s.rank - s.low], [s.high - s.rank]], fmt="o", color=colour)
        axes.annotate(s.contestant, (s.cpu_seconds, s.rank), xytext=(6, 6), textcoords="offset points")
    axes.invert_yaxis()
    figure.savefig(path, metadata={"Date": None})
    return path
