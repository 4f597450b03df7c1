"""What a release says of itself agrees: one version, settings that are read, an sdist with all that a wheel needs."""

import pathlib
import re
import tarfile
import tomllib
import zipfile

import pytest
from support.children import python

import jaxbm

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_version_stands_in_one_place():
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert (
        re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1) == jaxbm.__version__
    )


def test_extras_that_are_named_exist():
    extras = PROJECT["project"]["optional-dependencies"]
    named = set(re.findall(r"jaxbm\[([a-z,]+)\]", str(extras) + str(list((ROOT / "docs").rglob("*.md")))))
    for names in named:
        assert set(names.split(",")) <= set(extras)
    for path in (ROOT / "jaxbm").rglob("*.py"):
        for names in re.findall(r"pip install 'jaxbm\[([a-z,]+)\]'", path.read_text()):
            assert set(names.split(",")) <= set(extras), path


@pytest.mark.slow
def test_an_sdist_makes_a_wheel(tmp_path):
    """Of the wheel without kernels, so that nothing is compiled; that the sources are there is looked at."""
    pytest.importorskip("scikit_build_core")
    code = "from scikit_build_core.build import build_{0} as b; print(b({1!r}, {2!r}))"

    def build(kind, settings, folder):
        done = python("-c", code.format(kind, str(tmp_path), settings), folder=folder)
        return tmp_path / done.stdout.strip().splitlines()[-1]

    sdist = build("sdist", {}, ROOT)
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert sdist.name == f"jaxbm-{jaxbm.__version__}.tar.gz"
    for needed in ("kernels/cpu/CMakeLists.txt", "kernels/__init__.py", "README.md", "LICENSE", "CITATION.cff"):
        assert needed in names
    assert "benchmarks/results/two-cores.jsonl" in names  # tests read it
    assert not any(name.startswith(("kernels/lib/", "build/", ".ci/")) for name in names)
    wheel = build("wheel", {"wheel.cmake": "false"}, next((tmp_path / "unpacked").iterdir()))
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for needed in ("jaxbm/__init__.py", "jaxbm/kernels/__init__.py", "jaxbm/report/static/report.css"):
        assert needed in inside
    assert not any("/results/" in name or "/tests/" in name for name in inside)
