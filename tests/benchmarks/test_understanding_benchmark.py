"""Committed figures of questions about a model are of every case, and of the same answers."""

import json
import pathlib

import pytest

from jaxbm.benchmarks import understanding

ROOT = pathlib.Path(__file__).parents[2]


def test_the_committed_figures_are_of_every_case_and_agree():
    results = json.loads((ROOT / "benchmarks/results/understanding.json").read_text())
    assert [understanding.Case(*(tuple(c[n]) if n == "hidden" else c[n] for n in understanding.Case._fields))
            for c in results["cases"]] == list(understanding.CASES)  # fmt: skip
    assert max(case.get("difference", 0) for case in results["cases"]) < 1e-6


@pytest.mark.parametrize("question", [understanding.DEPENDENCE, understanding.IMPORTANCE])
def test_a_small_case(question):
    found = understanding.measure(understanding.Case(question, 40, 3, (4,)), rounds=1)
    assert found["rows"] == 40
    assert min(found["jaxbm"], found["float64"], found["float32"]) > 0
    assert found.get("difference", 0) < 1e-5
