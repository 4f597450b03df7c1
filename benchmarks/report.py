"""The report of a file of results: Markdown that a person reads, with plots beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from jaxbm.benchmarks import analysis, method, plots
from jaxbm.benchmarks.contest import AGAIN, OURS, Contest, Target
from jaxbm.benchmarks.record import Records, Result, Run
from jaxbm.benchmarks.text import seconds_text, table


def write(records: Records, contests: Mapping[str, Contest], folder: Path) -> Path:
    """Write `report.md` and its plots.

    Args:
      records: what was measured.
      contests: titles and claims by name; results of others are shown under their own names.
      folder: where to.

    Returns:
      The report's path.
    """
    pictures = plots.draw(records, contests, folder)
    parts = ["# Benchmark report", _machines(records)]
    claims = claims_table(records, contests)
    if claims:
        parts += ["## Claims", claims]
    parts += ["## Where jaxbm loses", losses_text(records, contests)]
    parts += [f"![{text}]({path.name})" for path, text in pictures.items()]
    parts.append("## Contests")
    for name in records.contests(list(contests)):
        parts += [f"### {title(contests, name)}", contest_table(records, name)]
    parts.append(LEGEND)
    path = folder / "report.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


LEGEND = """## How to read it

Times are medians over interleaved rounds, with the quartiles in brackets. The first call is apart, compilation
included; in brackets what XLA reports of that. "times ours" is a contestant's time over jaxbm's: above 1, jaxbm is
faster. A difference within the noise, found by timing jaxbm against itself, is a tie. "of the limit" is the fraction
that the contestant reaches of this machine's rate of multiply-adds (arithmetic), of its memory bandwidth, or of the
overhead of one call to compiled code (call), whichever binds, by formulas that count matrix products and compulsory
traffic only. Peak memory is that of a contestant's own process, libraries included. A contestant that is absent is
not installed, or lacks what it needs here; one that failed raised an error, compiled while the clock ran, or
reached another loss."""


def title(contests: Mapping[str, Contest], name: str) -> str:
    """A contest's title, or its name where it is not known any more."""
    return contests[name].title if name in contests else name


def contest_table(records: Records, name: str) -> str:
    """One contest's contestants, fastest first, then who is absent or failed."""
    results = records.contest(name)
    run = records.run_of(next(iter(results.values())))
    shown = analysis.timed(results)
    ours = next(iter(results))
    rows = []
    for contestant in sorted(shown, key=lambda c: analysis.median(shown[c])):
        result = shown[contestant]
        rows.append([contestant, *_figures(result, run), _ratio(results, ours, contestant)])
    unit = next(iter(results.values())).unit
    header = ["contestant", f"per {unit}", "first call", "of the limit", "times ours"]
    if any(result.peak_bytes for result in shown.values()):
        header.append("peak memory")
        for row in rows:
            row.append(_gib(shown[row[0]].peak_bytes))
    lines = [table(header, rows)] if rows else []
    if ours in shown:
        lines.append(f"{_noise_text(results)} {_limit_note(results, run)}".strip())
    missing = [f"{c}: {r.status}, {r.reason}" for c, r in results.items() if r.status != "ok"]
    lines += ["Not timed: " + "; ".join(missing) + "."] if missing else []
    lines += [text] if (text := _to_loss(results)) else []
    return "\n\n".join(lines)


def claims_table(records: Records, contests: Mapping[str, Contest]) -> str:
    """Every claim, what it asks, what was measured, met or not; an empty text where nothing is claimed."""
    rows = []
    for _, found in analysis.outcomes(records, contests):
        target = found.target
        if found.measured is None:
            rows.append([target.what, _goal(target), "not measured", found.note])
        else:
            word = ("met" if found.met else "**missed**") + (f" ({found.note})" if found.note else "")
            rows.append([target.what, _goal(target), _amount(target, found.measured), word])
    return table(["claim", "at least", "measured", ""], rows) if rows else ""


def losses_text(records: Records, contests: Mapping[str, Contest]) -> str:
    """Every contest in which somebody was faster than ours, by more than the noise."""
    lines = []
    for name in records.contests(list(contests)):
        results = records.contest(name)
        ours = next(iter(results))
        for other in analysis.timed(results):
            found = None if other == ours else analysis.against(results, ours, other)
            if found is not None and found.word == "slower" and not other.startswith((OURS, "plain")):
                lines.append(f"- {title(contests, name)}: {other} takes {found.ratio:.2f}x our time.")
    return "\n".join(lines) or "Nowhere, in what was measured here by peers that are installed."


def _figures(result: Result, run: Run) -> list[str]:
    low, middle, high = method.quantiles(result.per_unit)
    share = analysis.share(result, run)
    spread = f"{seconds_text(middle)} ({seconds_text(low)} to {seconds_text(high)})"
    limit = "" if share is None else f"{share.fraction:.{0 if share.fraction > 0.0995 else 1}%} {share.binding}"
    first = seconds_text(result.first or 0.0)
    if result.compiling:
        first += f" ({seconds_text(result.compiling)})"
    return [spread, first, limit]


def _gib(size: float | None) -> str:
    return "" if size is None else f"{size / 2**30:.2f} GiB"


def _ratio(results: Mapping[str, Result], ours: str, other: str) -> str:
    if other == ours:
        return "1"
    found = analysis.against(results, ours, other)
    if found is None:
        return ""
    return f"{found.ratio:.2f}" + (" (tie)" if found.word == "tie" else "")


def _noise_text(results: Mapping[str, Result]) -> str:
    if AGAIN not in results:
        return "Noise: not measured, jaxbm was timed once."
    return f"Noise (jaxbm against itself): {math.expm1(analysis.noise(results)):.1%}."


def _limit_note(results: Mapping[str, Result], run: Run) -> str:
    scaled = [c for c, r in results.items() if r.status == "ok" and r.members_timed is not None]
    if not scaled:
        return ""
    counts = ", ".join(f"{c} on {results[c].members_timed}" for c in scaled)
    return f"Timed on fewer of them, and compared by time for each: {counts}."


def _to_loss(results: Mapping[str, Result]) -> str:
    """Seconds to the validation loss that everybody reaches: the worst of the contestants' best."""
    curves = {c: r for c, r in analysis.timed(results).items() if r.curves.get("val_loss")}
    if not curves:
        return ""
    goal = max(min(r.curves["val_loss"]) for r in curves.values())
    rows = []
    for name, result in curves.items():
        seconds, epochs = analysis.seconds_to(result, goal), analysis.epochs_to(result, goal)
        first = result.first or 0.0
        total = len(result.curves["val_loss"])
        cold = None if seconds is None else seconds + max(0.0, first - seconds * total / (epochs or 1))
        rows.append([name, str(epochs), seconds_text(seconds or 0.0), seconds_text(cold or 0.0)])
    return f"To a validation loss of {goal:.4f}:\n\n" + table(
        ["contestant", "epochs", "training", "with compilation"], rows
    )


AT_MOST = {"compile": "s", "more memory": "GiB"}
"""measures that should be small, with their units"""


def _goal(target: Target) -> str:
    return ("at most " if target.measure in AT_MOST else "") + _amount(target, target.at_least)


def _amount(target: Target, value: float) -> str:
    if target.measure in AT_MOST:
        return f"{value:.3g} {AT_MOST[target.measure]}"
    if target.measure == "core peak" or (target.measure == "speed" and target.at_least < 1):
        return f"{value:.0%}"
    return f"{value:.3g}x"


def quiet_note(limits: Mapping[str, float]) -> str:
    """What to say where the cores together fell short of one core's rate times their number.

    Example:
      >>> quiet_note({"peak": 1.0e11, "peak_core": 1.0e11, "threads": 2})
      'the machine was not quiet, or its cores share units: together they reach 50% of what one core promises'
    """
    share = limits["peak"] / (limits["peak_core"] * limits["threads"])
    if share > 0.8:
        return ""
    return (
        "the machine was not quiet, or its cores share units: together they reach "
        f"{share:.0%} of what one core promises"
    )


def _machines(records: Records) -> str:
    lines = []
    for run in records.runs:
        used = [name for name in records.contests() if next(iter(records.contest(name).values())).run == run.run]
        if not used:
            continue
        machine, limits = run.machine, run.limits
        lines.append(
            f"- {run.run}: {machine['cpu']}, {machine['threads']} threads, {machine['backend']} "
            f"({machine['device']}), kernels {machine['kernels']}, {machine['system']}, Python {machine['python']}, "
            f"revision {run.revision or 'unknown'}"
        )
        lines.append("  - " + ", ".join(f"{name} {number}" for name, number in run.versions.items()))
        if limits:
            lines.append(
                "  - limits: {peak_core:.0f} GFLOP/s on one core, {peak:.0f} on all, {matmul:.0f} in a large product "
                "by XLA; triad {triad:.0f} GB/s, seven streams {seven_streams:.0f} GB/s; ".format(
                    **{name: value / 1e9 for name, value in limits.items()}
                )
                + f"{limits['call'] * 1e6:.1f} us for a call"
            )
            lines += [f"  - {note}"] if (note := quiet_note(limits)) else []
    gpu = any(run.machine["backend"] == "gpu" for run in records.runs)
    return "\n".join(lines) + ("" if gpu else "\n\nGPU: not measured.")
