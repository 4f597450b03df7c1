"""The README's tables of figures, of a GPU and of accuracy, written from committed results, never by hand.

python -m jaxbm.benchmarks.readme README.md benchmarks/results
"""

from __future__ import annotations

import sys
from pathlib import Path

from jaxbm.benchmarks import analysis, gpu_table, record
from jaxbm.benchmarks.accuracy import report as accuracy
from jaxbm.benchmarks.contest import OURS
from jaxbm.benchmarks.contests import contests, generated
from jaxbm.benchmarks.record import Records, Result
from jaxbm.benchmarks.report import claims_table, losses_text, title
from jaxbm.benchmarks.text import put_between, seconds_text, table

MAIN = {"quick", "targets"}
"""selections whose contests get lines; the others are in the results and in a report"""
ACCURACY = "accuracy/accuracy.jsonl"
"""the accuracy contest's results, in the folder of results"""
NEVER_SEEN = "generated/never-seen.jsonl"
"""the results of training what no kernel knows, likewise"""
NEVER_SEEN_MARKERS = "<!-- never seen: begin -->", "<!-- never seen: end -->"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def block(records: Records) -> str:
    """What belongs between the markers: machine, a line for each peer of the main contests, claims, all losses."""
    parts = [_machine(records)]
    rows = []
    for name in records.contests(list(contests())):
        if name in contests() and not MAIN & set(contests()[name].selections):
            continue
        results = records.contest(name)
        ours = next(iter(results))
        for other, result in _peers(results).items():
            found = analysis.against(results, ours, other)
            if found is not None:
                tie = " (tie)" if found.word == "tie" else ""
                times = [seconds_text(analysis.median(r)) for r in (results[ours], result)]
                rows.append(
                    [
                        title(contests(), name),
                        f"per {result.unit}",
                        times[0],
                        other,
                        times[1],
                        f"{found.ratio:.3g}x{tie}",
                    ]
                )
    header = ["what", "", "jaxbm", "peer", "its time", "ratio"]
    parts.append(table(header, rows, left=2))
    claims = claims_table(records, contests())
    parts += ["Claims, and what was measured:", claims] if claims else []
    parts += ["Where a peer is faster:", losses_text(records, contests())]
    return "\n\n".join(parts)


def rewrite(text: str, records: Records) -> str:
    """`text` with what is between the markers replaced.

    Raises:
      ValueError: a marker is missing.
    """
    return put_between(text, BEGIN, END, block(records))


def _peers(results: dict[str, Result]) -> dict[str, Result]:
    return {name: r for name, r in analysis.timed(results).items() if not name.startswith(OURS)}


def _machine(records: Records) -> str:
    runs = {records.run_of(next(iter(records.contest(name).values()))).run for name in records.contests()}
    shown = []
    for run in records.runs:
        if run.run in runs:
            machine = run.machine
            versions = ", ".join(f"{k} {v}" for k, v in run.versions.items())
            shown.append(f"{machine['cpu']}, {machine['threads']} threads, kernels {machine['kernels']}; {versions}")
    return "Medians of interleaved rounds. " + " / ".join(dict.fromkeys(shown)) + "."


def rewritten(text: str, results: Path) -> str:
    """`text` with all that comes from the folder of results replaced."""
    text = rewrite(text, record.load(results))
    text = put_between(text, *NEVER_SEEN_MARKERS, generated.never_seen(record.load(results / NEVER_SEEN)))
    text = gpu_table.rewrite(text, results / gpu_table.FOLDER)
    return accuracy.rewrite(text, results / ACCURACY)


def main(argv: list[str]) -> None:
    """Rewrite the file given first from the results given second."""
    path = Path(argv[0])
    path.write_text(rewritten(path.read_text(encoding="utf-8"), Path(argv[1])), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
