"""Tables of the README and of the documentation, written from committed results, never by hand.

python -m jaxbm.benchmarks.pages     in the root of a checkout
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jaxbm.benchmarks import figures, gpu_table, own_tables, record, understanding
from jaxbm.benchmarks.accuracy import report as accuracy
from jaxbm.benchmarks.record import Records
from jaxbm.benchmarks.text import put_between


class Block(NamedTuple):
    """A part of a page that results say."""

    page: str
    """its path in the checkout"""
    name: str
    """of its two markers"""
    results: str
    """their path in `benchmarks/results`"""
    told: Callable[[Path], str]
    """what they say"""


def _of(told: Callable[[Records], str]) -> Callable[[Path], str]:
    return lambda path: told(record.load(path))


def _answers(path: Path, question: str) -> str:
    return understanding.block(json.loads(path.read_text(encoding="utf-8")), question)


PERFORMANCE, UNDERSTANDING = "docs/guides/performance.md", "docs/guides/understanding.md"
BLOCKS = (
    Block("README.md", "headlines", "two-cores.jsonl", _of(figures.headlines)),
    Block("README.md", "never seen", "generated/never-seen.jsonl", _of(own_tables.never_seen)),
    Block("README.md", "accuracy", "accuracy/accuracy.jsonl", accuracy.block),
    Block("docs/figures.md", "figures", "two-cores.jsonl", _of(figures.everything)),
    Block("docs/figures.md", "gpu", "gpu", gpu_table.of_folder),
    Block(PERFORMANCE, "by hand", "generated/by-hand.jsonl", _of(own_tables.by_hand)),
    Block(PERFORMANCE, "own", "generated/own.jsonl", _of(own_tables.of_ones_own)),
    Block("docs/native.md", "programs", "programs/two-cores.jsonl", _of(own_tables.small_programs)),
    Block("docs/native.md", "edges", "programs/edges.jsonl", _of(own_tables.of_edges)),
    Block("docs/native.md", "libraries", "programs/libraries.jsonl", _of(own_tables.of_libraries)),
    *(
        Block(UNDERSTANDING, question, "understanding.json", partial(_answers, question=question))
        for question in (understanding.DEPENDENCE, understanding.IMPORTANCE)
    ),
)


def rewritten(page: str, root: Path) -> str:
    """The text of a page with its blocks as the checkout's results have them.

    Raises:
      ValueError: a marker is missing.
    """
    text = (root / page).read_text(encoding="utf-8")
    for block in BLOCKS:
        if block.page == page:
            begin, end = (f"<!-- {block.name}: {word} -->" for word in ("begin", "end"))
            text = put_between(text, begin, end, block.told(root / "benchmarks" / "results" / block.results))
    return text


def main(root: Path) -> None:
    """Rewrite the pages of a checkout."""
    for page in dict.fromkeys(block.page for block in BLOCKS):
        (root / page).write_text(rewritten(page, root), encoding="utf-8")


if __name__ == "__main__":
    main(Path())
