"""The guides' tables of training and of native functions are those of committed results."""

import pathlib

import pytest

from jaxbm.benchmarks import pages

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("page", sorted({block.page for block in pages.BLOCKS}))
def test_a_page_has_the_committed_figures(page):
    text = (ROOT / "docs" / page).read_text()
    assert pages.rewritten(text, page, ROOT / "benchmarks/results") == text


def test_every_contest_of_the_tables_was_measured():
    tables = {block.name: block.told(pages.record.load(ROOT / "benchmarks/results" / block.results))
              for block in pages.BLOCKS}  # fmt: skip
    lines = {name: sum(line.startswith("| ") for line in text.splitlines()) - 1 for name, text in tables.items()}
    assert lines == {"by hand": 26, "own": len(pages.own.own()), "programs": len(pages.programs.programs())}
