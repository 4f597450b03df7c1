"""Tables of what `jaxbm bench` measured: the README's few lines, and everything with the claims."""

from __future__ import annotations

from collections.abc import Sequence

from jaxbm.benchmarks import analysis
from jaxbm.benchmarks.contest import OURS
from jaxbm.benchmarks.contests import contests
from jaxbm.benchmarks.record import Records, Result
from jaxbm.benchmarks.report import claims_table, losses_text, title
from jaxbm.benchmarks.text import seconds_text, table

MAIN = {"quick", "targets"}
"""selections whose contests get lines; the others are in the results and in a report"""
HEADLINES = (
    ("small", "JAX scan"),
    ("frameworks", "Keras on JAX, tuned"),
    ("frameworks", "PyTorch"),
    ("wide", "JAX scan"),
    ("members-1000", "JAX vmap of scan"),
    ("members-1000", "PyTorch torch.func"),
    ("groups", "scikit-learn loop"),
    ("estimator-digits", "MLPClassifier"),
    ("search", "GridSearchCV"),
    ("predict-16000", "JAX apply"),
)
"""contests and peers that get a line in the README, those with little or no lead among them"""
HEADER = ["what", "", "jaxbm", "peer", "its time", "ratio"]


def everything(records: Records) -> str:
    """Machine, a line for each peer of the main contests, claims, all losses."""
    rows = []
    for name in records.contests(list(contests())):
        if name in contests() and not MAIN & set(contests()[name].selections):
            continue
        peers = [other for other in analysis.timed(records.contest(name)) if not other.startswith(OURS)]
        rows += [row for other in peers if (row := _row(records, name, other))]
    parts = [_machine(records), table(HEADER, rows, left=2)]
    claims = claims_table(records, contests())
    parts += ["Claims, and what was measured:", claims] if claims else []
    return "\n\n".join([*parts, *_where_peers_are_faster(records)])


def headlines(records: Records) -> str:
    """Machine, a line for each of `HEADLINES` that was measured, all losses, and how many claims are met."""
    rows = [row for name, other in HEADLINES if (row := _row(records, name, other))]
    claims = [found.met for _, found in analysis.outcomes(records, contests()) if found.met is not None]
    counted = f"Of {len(claims)} claims made beforehand {sum(claims)} were met in that run."
    return "\n\n".join([_machine(records), table(HEADER, rows, left=2), *_where_peers_are_faster(records), counted])


def _row(records: Records, name: str, other: str) -> Sequence[str]:
    """A contest's line for one peer; nothing where it was not timed."""
    results = records.contest(name)
    if not results:
        return []
    ours = next(iter(results))
    found = analysis.against(results, ours, other)
    if found is None:
        return []
    times: list[Result] = [results[ours], results[other]]
    shown = [seconds_text(analysis.median(result)) for result in times]
    ratio = f"{found.ratio:.3g}x" + (" (tie)" if found.word == "tie" else "")
    return [title(contests(), name), f"per {times[1].unit}", shown[0], other, shown[1], ratio]


def _where_peers_are_faster(records: Records) -> list[str]:
    return ["Where a peer is faster:", losses_text(records, contests())]


def _machine(records: Records) -> str:
    runs = {records.run_of(next(iter(records.contest(name).values()))).run for name in records.contests()}
    shown = []
    for run in records.runs:
        if run.run in runs:
            machine = run.machine
            versions = ", ".join(f"{k} {v}" for k, v in run.versions.items())
            shown.append(f"{machine['cpu']}, {machine['threads']} threads, kernels {machine['kernels']}; {versions}")
    return "Medians of interleaved rounds. " + " / ".join(dict.fromkeys(shown)) + "."
