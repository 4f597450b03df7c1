"""Files and folders that the texts name are there, and hold the names that they are said to hold."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TEXTS = ("ARCHITECTURE.md", "CONTRIBUTING.md", "benchmarks/README.md")
TOP = ("jaxbm", "kernels", "benchmarks", "tests", "docs")
FILES = [path.relative_to(ROOT).as_posix() for top in TOP for path in (ROOT / top).rglob("*")]
FILES += [*TOP, *(path.name for path in ROOT.iterdir()), ".ci/run"]
#: In backticks: a file by its ending, or a folder by its slash; the end of its path is enough.
PATH = re.compile(r"`((?:[\w.-]+/)*(?:[\w-]+\.(?:py|h|cc|cu|md|sh|toml)|[\w.-]+/))`")
#: "`NAME` of `path.py`", with words between.
HELD = re.compile(r"`(\w+)`[^`.]{0,40}? (?:of|in) `([\w/]+\.(?:py|h))`")
MADE = {"benchmark-report/report.md"}


def found(name):
    return [path for path in FILES if path == name.rstrip("/") or path.endswith("/" + name.rstrip("/"))]


@pytest.mark.parametrize("text", TEXTS)
def test_paths_are_there(text):
    for name in PATH.findall((ROOT / text).read_text()):
        assert name in MADE or found(name), f"{text} names {name}"


def test_names_are_where_they_are_said_to_be():
    pairs = [(text, *pair) for text in TEXTS for pair in HELD.findall((ROOT / text).read_text())]
    assert len(pairs) > 5
    for text, name, path in pairs:
        assert any(name in (ROOT / file).read_text() for file in found(path)), f"{text}: {name} in {path}"
