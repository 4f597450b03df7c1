"""Two files of results side by side: what changed, and whether the change is more than noise."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxbm.benchmarks import analysis, method
from jaxbm.benchmarks.record import Records
from jaxbm.benchmarks.text import seconds_text, table


class Change(NamedTuple):
    """One contestant's times before and after."""

    contest: str
    contestant: str
    before: float
    after: float
    """seconds per unit, medians"""
    margin: float
    """the relative change that would still be noise"""
    word: str
    """"faster", "slower" or "tie" """

    @property
    def relative(self) -> float:
        """`after / before - 1`: negative where it became faster."""
        return self.after / self.before - 1


def changes(before: Records, after: Records) -> list[Change]:
    """Every contestant that both have in the same case.

    The margin is the larger of both files' A/A noise in that contest and of the bootstrap uncertainty of the ratio
    of medians.
    """
    found = []
    for name in before.contests():
        old, new = before.contest(name), after.contest(name)
        level = max(analysis.noise(old), analysis.noise(new))
        for contestant, a in analysis.timed(old).items():
            b = analysis.timed(new).get(contestant)
            if b is None or a.case != b.case:
                continue
            verdict = method.verdict(b.per_unit, a.per_unit, level)
            margin = math.expm1(verdict.margin)
            found.append(Change(name, contestant, analysis.median(a), analysis.median(b), margin, verdict.word))
    return found


def text(before: Records, after: Records) -> str:
    """The changes as a Markdown table; first what is significant, largest first.

    Raises:
      ValueError: the files have no contestant of the same contest in common.
    """
    found = changes(before, after)
    if not found:
        raise ValueError("compare: expected two files with a contest in common, got none")
    found.sort(key=lambda c: (c.word == "tie", -abs(math.log(c.after / c.before))))
    rows = [
        [
            c.contest,
            c.contestant,
            seconds_text(c.before),
            seconds_text(c.after),
            f"{c.relative:+.1%}",
            f"{c.margin:.1%}",
            c.word,
        ]
        for c in found
    ]
    header = ["contest", "contestant", "before", "after", "change", "noise", ""]
    counts = {word: sum(c.word == word for c in found) for word in ("faster", "slower", "tie")}
    notes = [f"{counts['faster']} faster, {counts['slower']} slower, {counts['tie']} within the noise."]
    machines = [run.machine for records in (before, after) for run in records.runs[-1:]]
    if len(machines) == 2 and machines[0] != machines[1]:
        differing = [k for k in machines[0] if machines[0][k] != machines[1].get(k)]
        notes.append(f"The machines differ in {', '.join(differing)}: a change may be theirs.")
    return table(header, rows, left=2) + "\n\n" + " ".join(notes)
