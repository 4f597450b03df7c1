"""The tables of the README and of the documentation are those of committed results."""

import pathlib

import pytest

from jaxbm.benchmarks import pages
from jaxbm.benchmarks.contests import own, programs
from jaxbm.benchmarks.text import put_between

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("page", sorted({block.page for block in pages.BLOCKS}))
def test_a_page_has_the_committed_figures(page):
    assert pages.rewritten(page, ROOT) == (ROOT / page).read_text()


def test_every_contest_of_the_tables_was_measured():
    counts = {"by hand": 26, "own": len(own.own()), "programs": len(programs.programs()),
              "headlines": len(pages.figures.HEADLINES)}  # fmt: skip
    for block in pages.BLOCKS:
        if block.name in counts:
            lines = block.told(ROOT / "benchmarks" / "results" / block.results).splitlines()
            assert sum(line.startswith("| ") for line in lines) - 1 == counts[block.name], block.name


def test_a_page_needs_its_markers():
    with pytest.raises(ValueError, match="once each"):
        put_between("no markers", "<!-- a: begin -->", "<!-- a: end -->", "")
